/* The task list: what a transfer is and how far, moving, without losing what the reader does. */

(function ($) {
    "use strict";

    var ft = window.FarmTasks,
        FILTERS = [
            ["", "All"],
            ["STARTED OR state:PROGRESS", "Running"],
            ["RECEIVED OR state:PENDING", "Waiting"],
            ["RETRY", "Retrying"],
            ["SUCCESS", "Done"],
            ["FAILURE", "Failed"],
            ["REVOKED", "Cancelled"]
        ],
        // What a bar alone shows. When nothing else has changed, the rest of a row is left alone.
        FIGURES = ["percent", "bytes_read", "total", "rate", "seconds_left", "elapsed", "stage", "timestamp",
            "clock", "frames_done", "frames_total"],
        columns = $("#tasks-table thead th").map(function () {
            return $(this).data("column");
        }).get(),
        latest = {};

    /* Before Flower's own script, which runs when the page is ready, looks for them. */
    function replaceFilters() {
        $(".task-state-filters").empty().append(FILTERS.map(function (one, index) {
            return $("<button type='button' class='task-state-filter'>").text(one[1])
                .attr({"data-task-state": one[0], "aria-pressed": String(index === 0)})
                .toggleClass("active", index === 0);
        }));
    }

    function showFilter(search) {
        $(".task-state-filter").each(function () {
            var state = this.dataset.taskState,
                chosen = search === (state ? "state:" + state : "");
            $(this).toggleClass("active", chosen).attr("aria-pressed", String(chosen));
        });
    }

    function cellOf(row, column) {
        var index = columns.indexOf(column);
        return index < 0 ? null : row.cells[index];
    }

    function link(task, text, title) {
        var element = ft.make("a", "", text);
        element.href = ft.urlPrefix() + "/task/" + encodeURIComponent(task.uuid);
        element.title = title;
        return element;
    }

    function drawFile(cell, task) {
        var name = ft.fileName(task.file),
            kind = ft.functionName(task.name),
            first = link(task, name || kind || task.uuid, ft.plain(task.file) || kind),
            second = ft.make("div", "ft-kind");
        first.className = "ft-file";
        if (name) {
            second.appendChild(ft.make("span", "ft-function", kind));
        }
        second.appendChild(link(task, ft.plain(task.uuid).slice(0, 8), ft.plain(task.uuid)));
        second.lastChild.className = "ft-uuid";
        cell.replaceChildren(first, second);
    }

    /* Today's times without the day, all without thousandths; the tooltip has the rest. */
    function shorten(cell) {
        var time = cell.querySelector("time"),
            match = time && /^(\d+-\d+-\d+) (\d+:\d+:\d+)/.exec(time.textContent),
            zone = $("#time").val().replace(/^time-?/, "") || "UTC";
        if (match) {
            time.title = time.textContent + " " + zone + ", " + time.title;
            time.textContent = match[1] === moment().tz(zone).format("YYYY-MM-DD") ? match[2] :
                match[1] + " " + match[2];
        }
    }

    function drawBar(row, task) {
        var cell = cellOf(row, "percent");
        if (cell) {
            if (!cell.firstElementChild) {
                cell.replaceChildren(ft.make("div"));
            }
            ft.draw(cell.firstElementChild, task);
        }
    }

    function drawRow(row, task) {
        var file = cellOf(row, "file"),
            received = cellOf(row, "received");
        latest[task.uuid] = task;
        row.dataset.state = task.state;
        if (file) {
            drawFile(file, task);
        }
        if (received) {
            shorten(received);
        }
        if (cellOf(row, "percent")) {
            cellOf(row, "percent").replaceChildren();
        }
        drawBar(row, task);
    }

    function withoutFigures(task) {
        var rest = $.extend({}, task);
        FIGURES.forEach(function (name) {
            delete rest[name];
        });
        return JSON.stringify(rest);
    }

    /* The same tasks in the same order: move what moves. */
    function update(table, tasks) {
        table.rows().indexes().toArray().forEach(function (index, position) {
            var row = table.row(index),
                task = tasks[position],
                before = latest[task.uuid];
            if (before && withoutFigures(before) === withoutFigures(task)) {
                latest[task.uuid] = task;
                drawBar(row.node(), task);
            } else {
                row.data(task);
                drawRow(row.node(), task);
            }
        });
    }

    /* Other tasks, or another order: have the table draw what has been fetched already. */
    function redraw(table, response) {
        var settings = table.settings()[0],
            ajax = settings.ajax;
        settings.ajax = function (request, callback) {
            callback($.extend({}, response, {draw: request.draw}));
        };
        latest = {};
        table.draw(false);
        settings.ajax = ajax;
    }

    function look(table, done) {
        var asked = JSON.stringify(table.ajax.params());
        $.ajax({
            type: "POST",
            url: ft.urlPrefix() + "/tasks/datatable",
            data: table.ajax.params(),
            timeout: 10000
        }).done(function (response) {
            // The reader has searched, sorted or turned the page meanwhile.
            if (JSON.stringify(table.ajax.params()) !== asked || response.searchError) {
                return;
            }
            var shown = table.rows().data().toArray().map(function (one) {
                    return one.uuid;
                }),
                fetched = response.data.map(function (one) {
                    return one.uuid;
                }),
                info = table.page.info();
            if (shown.join() === fetched.join() && info.recordsDisplay === response.recordsFiltered &&
                    info.recordsTotal === response.recordsTotal) {
                update(table, response.data);
            } else {
                redraw(table, response);
            }
        }).always(function (ignored, status) {
            $(".tasks-page").toggleClass("ft-silent", status !== "success");
            done();
        });
    }

    replaceFilters();
    $.extend($.fn.dataTable.defaults, {createdRow: drawRow});
    $(document).on("init.dt", "#tasks-table", function () {
        var table = $("#tasks-table").DataTable();
        showFilter(table.search());
        table.on("search.dt", function () {
            showFilter(table.search());
        });
        ft.eachSecond(function (done) {
            look(table, done);
        });
    });
}(jQuery));
