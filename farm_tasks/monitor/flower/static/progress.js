/* What the pages share: values as people read them, and the bar. */

window.FarmTasks = (function () {
    "use strict";

    var UNITS = ["B", "kB", "MB", "GB", "TB", "PB"],
        // Characters that no one sees, or that have a name read as another.
        INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

    function plain(text) {
        return String(text === null || text === undefined ? "" : text).replace(INVISIBLE, function (one) {
            return "\\u" + one.charCodeAt(0).toString(16).padStart(4, "0");
        });
    }

    function isNumber(value) {
        return typeof value === "number" && isFinite(value);
    }

    function scaled(count) {
        var unit = 0;
        while (count >= 999.95 && unit < UNITS.length - 1) {
            count /= 1000;
            unit += 1;
        }
        return {value: count.toFixed(unit ? 1 : 0), unit: unit};
    }

    function size(count) {
        var one = scaled(count);
        return one.value + " " + UNITS[one.unit];
    }

    /* Bytes of all bytes in one unit: 12.3/29.4 MB. */
    function sizes(done, total) {
        if (!(total > 0)) {
            return size(done);
        }
        var all = scaled(total);
        return (done / Math.pow(1000, all.unit)).toFixed(all.unit ? 1 : 0) + "/" + all.value + " " +
            UNITS[all.unit];
    }

    function duration(seconds) {
        var all = Math.round(seconds),
            hours = Math.floor(all / 3600),
            minutes = Math.floor(all % 3600 / 60),
            rest = String(all % 60).padStart(2, "0");
        return hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + rest : minutes + ":" + rest;
    }

    function fileName(path) {
        return plain(String(path || "").replace(/[\/\\]+$/, "").split(/[\/\\]/).pop());
    }

    function functionName(name) {
        return plain(name).replace(/^farm_tasks\./, "");
    }

    function urlPrefix() {
        var prefix = (document.getElementById("url_prefix") || {}).value || "";
        prefix = prefix.replace(/^\/+|\/+$/g, "");
        return prefix ? "/" + prefix : "";
    }

    function make(tag, className, text) {
        var element = document.createElement(tag);
        element.className = className || "";
        if (text !== undefined) {
            element.textContent = text;
        }
        return element;
    }

    /* Write only what changes: a selection, a tooltip and the eye stay where they are. */
    function write(element, text) {
        if (element.textContent !== text) {
            element.textContent = text;
        }
        element.classList.toggle("d-none", text === "");
    }

    function isMoving(task) {
        return task.state === "PROGRESS";
    }

    function isTransfer(task) {
        return Boolean(task.file || task.reason || isNumber(task.bytes_read));
    }

    /* A line such as: uploading, 12.3/29.4 MB, 11.2 MB/s, 0:02 left. */
    function sentence(task) {
        var parts = [plain(task.stage || task.state).toLowerCase()];
        if (task.stage && isMoving(task)) {
            parts = [plain(task.stage)];
        }
        if (task.frames_total && !task.bytes_read) {
            parts.push((task.frames_done || 0) + "/" + task.frames_total + " frames");
        } else if (task.bytes_read || task.total) {
            parts.push(sizes(task.bytes_read || 0, task.state === "SUCCESS" ? 0 : task.total));
        }
        // All has left: the rate is that of a moment ago.
        if (isMoving(task) && task.rate > 0 && !(task.percent >= 100)) {
            parts.push(size(task.rate) + "/s");
        }
        if (isMoving(task) && task.seconds_left > 0) {
            parts.push(duration(task.seconds_left) + " left");
        }
        if (task.attempt > 1 && task.state !== "SUCCESS") {
            parts.push("attempt " + task.attempt);
        }
        return parts.join(" \u00b7 ");
    }

    function frame(element) {
        var line = make("div", "ft-line"),
            bar = make("div", "ft-bar");
        bar.setAttribute("role", "progressbar");
        bar.setAttribute("aria-valuemin", "0");
        bar.setAttribute("aria-valuemax", "100");
        bar.appendChild(make("div", "ft-fill"));
        line.appendChild(bar);
        line.appendChild(make("span", "ft-percent"));
        element.replaceChildren(line, make("div", "ft-text"), make("div", "ft-reason"));
    }

    /* Draw a task's bar into an element, or move the one that is there. */
    function draw(element, task) {
        if (!isTransfer(task)) {
            element.replaceChildren();
            return;
        }
        if (!element.querySelector(".ft-bar")) {
            frame(element);
        }
        var known = isNumber(task.percent),
            percent = known ? Math.max(0, Math.min(100, task.percent)) : 0,
            bar = element.querySelector(".ft-bar"),
            reason = task.reason && !isMoving(task) && task.state !== "STARTED" ? plain(task.reason) : "",
            reasonElement = element.querySelector(".ft-reason");
        element.classList.add("ft-progress");
        element.classList.toggle("ft-none", !known && !isMoving(task));
        element.dataset.state = task.state;
        bar.classList.toggle("ft-unknown", !known && isMoving(task));
        bar.setAttribute("aria-label", fileName(task.file) || "progress");
        if (known) {
            bar.setAttribute("aria-valuenow", String(percent));
        } else {
            bar.removeAttribute("aria-valuenow");
        }
        bar.firstChild.style.width = percent + "%";
        write(element.querySelector(".ft-percent"), known ? Math.floor(percent) + " %" : "");
        write(element.querySelector(".ft-text"), sentence(task));
        write(reasonElement, reason);
        reasonElement.title = reason;
    }

    /* Call back each second while someone looks, one call at a time. */
    function eachSecond(look) {
        var busy = false;
        function tick() {
            if (busy || document.hidden) {
                return;
            }
            busy = true;
            look(function () {
                busy = false;
            });
        }
        window.setInterval(tick, 1000);
        document.addEventListener("visibilitychange", tick);
    }

    return {
        draw: draw,
        duration: duration,
        eachSecond: eachSecond,
        fileName: fileName,
        functionName: functionName,
        isMoving: isMoving,
        isNumber: isNumber,
        isTransfer: isTransfer,
        make: make,
        plain: plain,
        size: size,
        sizes: sizes,
        urlPrefix: urlPrefix,
        write: write
    };
}());
