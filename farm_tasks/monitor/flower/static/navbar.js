// Flower's navigation, with our pages in it.
"use strict";
(() => {
  const script = document.currentScript;
  const nav = document.querySelector(".app-nav");
  if (!nav) return;
  const link = document.createElement("a");
  link.className = "nav-link" + (script.dataset.active ? " active" : "");
  if (script.dataset.active) link.setAttribute("aria-current", "page");
  link.href = script.dataset.batches;
  link.textContent = "Batches";
  const item = document.createElement("li");
  item.className = "nav-item";
  item.append(link);
  nav.append(item);
})();
