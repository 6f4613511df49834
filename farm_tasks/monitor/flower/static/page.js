/* A task's page: its figures, moving; and a button that stops it while it moves. */

(function () {
    "use strict";

    var ft = window.FarmTasks,
        ENDS = ["SUCCESS", "FAILURE", "REVOKED"],
        STOPPABLE = {PENDING: "Cancel", RECEIVED: "Cancel", RETRY: "Cancel", STARTED: "Terminate",
            PROGRESS: "Terminate"},
        ROWS = [
            ["file", "File", ft.plain],
            ["stage", "Stage", ft.plain],
            ["frames_done", "Frames done", String],
            ["frames_total", "Frames", String],
            ["bytes_read", "Done", withBytes],
            ["total", "Total", withBytes],
            ["percent", "Percent", function (value) { return value.toFixed(2) + " %"; }],
            ["rate", "Rate", function (value) { return ft.size(value) + "/s"; }],
            ["seconds_left", "Time left", ft.duration],
            ["elapsed", "Elapsed", ft.duration],
            ["attempt", "Attempt", String],
            ["reason", "Reason", ft.plain]
        ],
        page = document.getElementById("task-page"),
        card = ft.make("section", "detail-card ft-card"),
        heading = ft.make("h1", "ft-title"),
        bar = ft.make("div"),
        rows = ft.make("dl", "ft-figures"),
        task,
        looks = 0,
        told = null;

    function withBytes(value) {
        return value < 1000 ? ft.size(value) : ft.size(value) + " (" + value.toLocaleString("en") + " bytes)";
    }

    function isText(name) {
        return name === "file" || name === "stage" || name === "reason";
    }

    function drawFigures() {
        ROWS.forEach(function (one) {
            var name = one[0],
                row = rows.querySelector("[data-figure=" + name + "]"),
                value = task[name],
                shown = isText(name) ? value : ft.isNumber(value);
            if (!row) {
                row = ft.make("div");
                row.dataset.figure = name;
                row.append(ft.make("dt", "", one[1]), ft.make("dd"));
                rows.appendChild(row);
            }
            if (name === "reason" && ft.isMoving(task)) {
                // Of the try before this one.
                row.firstChild.textContent = "Last failure";
            } else if (name === "reason") {
                row.firstChild.textContent = "Reason";
            }
            if ((name === "rate" || name === "seconds_left") && !ft.isMoving(task)) {
                shown = false;
            }
            row.classList.toggle("d-none", !shown);
            ft.write(row.lastChild, shown ? one[2](value) : "");
        });
    }

    function drawCard() {
        card.classList.toggle("d-none", !ft.isTransfer(task));
        ft.write(heading, ft.fileName(task.file) || ft.functionName(task.name));
        heading.title = ft.plain(task.file);
        ft.draw(bar, task);
        drawFigures();
    }

    /* Flower's rows of the same figures, as raw numbers: the card has them. */
    function hideRaw(list) {
        list.querySelectorAll(".detail-row dt").forEach(function (term) {
            var name = term.textContent.trim().toLowerCase().replace(/ /g, "_");
            if (ROWS.some(function (one) { return one[0] === name; })) {
                term.parentNode.classList.add("d-none");
            }
        });
    }

    function drawButton() {
        var label = task.read_only ? undefined : STOPPABLE[task.state],
            actions = page.querySelector(".detail-actions"),
            button = actions.querySelector("#farm-task-stop");
        if (!button) {
            // In place of Flower's own, which are not there while a transfer moves.
            button = ft.make("button", "btn btn-danger");
            button.id = "farm-task-stop";
            button.type = "button";
            button.addEventListener("click", stop);
            actions.replaceChildren(ft.make("span", "ft-told"), button);
            actions.firstChild.setAttribute("role", "status");
        }
        ft.write(button, label || "");
        button.disabled = told !== null;
        ft.write(actions.querySelector(".ft-told"), ENDS.includes(task.state) ? "" : told || "");
    }

    function stop() {
        told = "Told to stop \u2026";
        drawButton();
        $.ajax({
            type: "POST",
            url: ft.urlPrefix() + "/api/task/revoke/" + encodeURIComponent(task.uuid),
            data: {terminate: task.state === "STARTED" || task.state === "PROGRESS"}
        }).fail(function (response) {
            told = null;
            drawButton();
            ft.write(page.querySelector(".ft-told"), response.responseText || "Flower does not answer.");
        });
    }

    /* Flower's own rows, replaced one by one where they differ: a selection in another one stays. */
    function updateList(fresh) {
        var old = page.querySelector(".detail-list"),
            before = Array.from(old.children),
            after = Array.from(fresh.children);
        hideRaw(fresh);
        if (before.length !== after.length) {
            old.replaceChildren.apply(old, after);
            return;
        }
        before.forEach(function (row, index) {
            if (row.outerHTML !== after[index].outerHTML) {
                row.replaceWith(after[index]);
            }
        });
    }

    function read(holder) {
        var last = task && task.state;
        task = JSON.parse(holder.getElementById("farm-task").textContent);
        if (ENDS.includes(last) && !ENDS.includes(task.state)) {
            told = null;
        }
    }

    function look(done) {
        looks += 1;
        if (ENDS.includes(task.state) && looks % 5) {
            done();  // it may be run again, but that need not show at once
            return;
        }
        fetch(window.location.href, {credentials: "same-origin", cache: "no-store"}).then(function (response) {
            if (!response.ok || response.redirected) {
                throw new Error(response.statusText);
            }
            return response.text();
        }).then(function (text) {
            var fresh = new DOMParser().parseFromString(text, "text/html");
            read(fresh);
            updateList(fresh.querySelector(".detail-list"));
            drawCard();
            drawButton();
            page.classList.remove("ft-silent");
        }).catch(function () {
            page.classList.add("ft-silent");
        }).finally(done);
    }

    card.setAttribute("aria-label", "Transfer");
    card.append(heading, bar, rows);
    page.querySelector(".detail-page-header").after(card);
    read(document);
    hideRaw(page.querySelector(".detail-list"));
    drawCard();
    drawButton();
    ft.eachSecond(look);
}());
