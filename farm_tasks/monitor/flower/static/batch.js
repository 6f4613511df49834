/* The pages of batches: figures are asked for once a second, while someone looks. */

(function () {
    "use strict";

    var ft = window.FarmTasks,
        page = document.getElementById("ft-batch"),
        table = document.querySelector(".ft-table tbody"),
        address = page ? "/batch/" + encodeURIComponent(page.dataset.group) : "/batches",
        rows = {};

    function ended(batch) {
        return batch.files_done + batch.files_failed;
    }

    /* Such as: 31 of 48 done, 2 failed or cancelled. */
    function counts(batch) {
        var text = batch.files_done + " of " + batch.files_total + " done";
        return batch.files_failed ? text + ", " + batch.files_failed + " failed or cancelled" : text;
    }

    function stateOf(batch) {
        if (ended(batch) < batch.files_total) {
            return "PROGRESS";
        }
        return batch.files_failed ? "FAILURE" : "SUCCESS";
    }

    function drawOverall(element, batch) {
        ft.draw(element, Object.assign({}, batch, {state: stateOf(batch), stage: counts(batch)}));
    }

    function link(path, text, title) {
        var element = ft.make("a", "ft-file", text);
        element.href = ft.urlPrefix() + path;
        element.title = title;
        return element;
    }

    /* A row that stays the same element as long as it is listed: a selection and the eye stay too. */
    function rowOf(id, columns) {
        if (!rows[id]) {
            rows[id] = ft.make("tr");
            for (var index = 0; index < columns; index += 1) {
                rows[id].appendChild(ft.make("td")).appendChild(ft.make("div"));
            }
        }
        return rows[id];
    }

    function cellsOf(row) {
        return Array.from(row.cells).map(function (cell) { return cell.firstChild; });
    }

    function fileRow(file) {
        var row = rowOf(file.id, 4),
            cells = cellsOf(row),
            name = ft.fileName(file.file) || file.id;
        if (!cells[0].firstChild) {
            cells[0].appendChild(link("/task/" + encodeURIComponent(file.id), name, ft.plain(file.file)));
            cells[0].appendChild(ft.make("div", "ft-kind", ft.functionName(file.function)));
        }
        row.dataset.state = file.state;
        ft.draw(cells[1], file);
        ft.write(cells[2], file.state);
        ft.write(cells[3], ft.plain(file.worker));
        return row;
    }

    function batchRow(batch) {
        var row = rowOf(batch.id, 3),
            cells = cellsOf(row);
        if (!cells[0].firstChild) {
            cells[0].appendChild(link("/batch/" + encodeURIComponent(batch.id), batch.title, batch.id));
            ft.write(cells[2], new Date(batch.made * 1000).toLocaleString());
        }
        drawOverall(cells[1], batch);
        return row;
    }

    /* Put the rows into this order, and touch none that is in its place. */
    function arrange(wanted) {
        wanted.forEach(function (row, index) {
            if (table.children[index] !== row) {
                table.insertBefore(row, table.children[index] || null);
            }
        });
        while (table.children.length > wanted.length) {
            table.lastChild.remove();
        }
    }

    function showBatch(batch) {
        ft.write(document.getElementById("ft-heading"), ft.plain(batch.title));
        drawOverall(document.getElementById("ft-overall"), batch);
        arrange(batch.files.map(fileRow));
        ft.write(document.getElementById("ft-note"), batch.files_not_listed ?
            batch.files_not_listed + " more files, waiting or done, are not listed." : "");
    }

    function showBatches(batches) {
        arrange(batches.map(batchRow));
        ft.write(document.getElementById("ft-note"), batches.length ? "" :
            "None yet: farm-tasks batch download, or submit.Group.of([...]), makes one.");
    }

    function tell(text) {
        document.querySelector(".page-section").classList.toggle("ft-silent", text !== "");
        ft.write(document.getElementById("ft-told"), text);
    }

    function look(done) {
        fetch(ft.urlPrefix() + address + "/figures").then(function (response) {
            if (!response.ok) {
                throw new Error(response.status === 404 ? "It is not known any more." :
                    "Redis does not answer.");
            }
            return response.json();
        }).then(function (found) {
            if (page) {
                showBatch(found);
            } else {
                showBatches(found.batches);
            }
            tell("");
        }).catch(function (error) {
            tell(error.message);
        }).finally(done);
    }

    ft.eachSecond(look);
    look(function () { return undefined; });
}());
