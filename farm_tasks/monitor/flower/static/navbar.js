/* Flower's navigation, with our pages in it. */

(function () {
    "use strict";

    var script = document.currentScript,
        nav = document.querySelector(".app-nav"),
        item = document.createElement("li"),
        link = document.createElement("a");
    link.className = "nav-link";
    link.href = script.dataset.batches;
    link.textContent = "Batches";
    if (script.dataset.active) {
        link.classList.add("active");
        link.setAttribute("aria-current", "page");
    }
    item.className = "nav-item";
    item.appendChild(link);
    if (nav) {
        nav.appendChild(item);
    }
}());
