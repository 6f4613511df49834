// The pages of batches: figures are asked for once a second, while somebody looks.
"use strict";
(() => {
  const prefix = document.getElementById("url_prefix").value;
  const root = prefix ? "/" + prefix.replace(/^\/+|\/+$/g, "") : "";
  const status = document.getElementById("ft-status");
  const { bar, element, link, stateBadge } = farmTasks;

  function counts(batch) {
    const waiting = batch.files_total - batch.files_done - batch.files_failed;
    const parts = [`${batch.files_done} of ${batch.files_total} done`];
    if (batch.files_failed) parts.push(`${batch.files_failed} failed or cancelled`);
    if (waiting) parts.push(`${waiting} to go`);
    return parts.join(", ");
  }

  const overall = (batch) => bar({
    ...batch,
    stage: counts(batch),
    state: batch.files_done + batch.files_failed < batch.files_total ? "PROGRESS"
      : batch.files_failed ? "FAILURE" : "SUCCESS",
  });

  function fileRow(file) {
    const name = link(`${root}/task/${encodeURIComponent(file.id)}`, file.file.split(/[\\/]/).pop() || file.id);
    name.title = file.file;
    return element("tr", {},
      element("td", { className: "ft-name" }, name),
      element("td", {}, bar(file), file.error ? element("div", { className: "ft-reason", title: file.error }, file.error) : ""),
      element("td", {}, stateBadge(file.state)),
      element("td", {}, file.function),
      element("td", {}, file.worker || ""));
  }

  function batchRow(batch) {
    return element("tr", {},
      element("td", { className: "ft-name" }, link(`${root}/batch/${encodeURIComponent(batch.id)}`, batch.title)),
      element("td", {}, overall(batch)),
      element("td", {}, counts(batch)),
      element("td", {}, new Date(batch.made * 1000).toLocaleString()));
  }

  function show(figures) {
    if (figures.batches) {
      const none = element("tr", {}, element("td", { colSpan: 4 }, "No batch in the last days."));
      document.querySelector("#ft-batches tbody").replaceChildren(
        ...(figures.batches.length ? figures.batches.map(batchRow) : [none]));
      return true;
    }
    document.getElementById("ft-title").textContent = figures.title;
    document.getElementById("ft-overall").replaceChildren(overall(figures));
    document.querySelector("#ft-files tbody").replaceChildren(...figures.files.map(fileRow));
    document.getElementById("ft-not-listed").textContent = figures.files_not_listed
      ? `${figures.files_not_listed} more files, waiting or done, are not listed.` : "";
    return figures.files_done + figures.files_failed < figures.files_total;
  }

  const page = document.getElementById("ft-batch");
  const address = page
    ? `${root}/batch/${encodeURIComponent(page.dataset.group)}/figures` : `${root}/batches/figures`;
  farmTasks.poll(address, show, status);
})();
