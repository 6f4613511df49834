// A stand-in for what Flamenco 3's Manager gives a job compiler script (internal/manager/job_compilers):
// author, path, frameChunker, ... It is not Flamenco. Reads settings as JSON on stdin, the script as
// its argument; prints the tasks as JSON.

const fs = require("fs");
const vm = require("vm");

const submitted = JSON.parse(fs.readFileSync(0, "utf-8"));
let made = 0;

class Task {
    constructor(name, type) {
        Object.assign(this, { uuid: `task-${++made}`, name, type, commands: [], dependencies: [] });
    }
    addCommand(command) { this.commands.push(command); }
    addDependency(task) { this.dependencies.push(task.name); }
}

const job = {
    jobID: "5f1c0ffee", name: submitted.name, created: new Date(0), settings: submitted.settings, tasks: [],
    // As Go does it: by value, so what is done to the task afterwards is lost.
    addTask(task) { this.tasks.push(JSON.parse(JSON.stringify(task))); },
};

const globals = {
    author: {
        Task: (name, type) => new Task(name, type),
        Command: (name, parameters, steps = 0) => ({ name, parameters, steps }),
    },
    path: {
        dirname: (one) => one.slice(0, one.lastIndexOf("/")),
        join: (...parts) => parts.join("/"),
        stem: (one) => one.split("/").pop().replace(/\.[^.]*$/, ""),
    },
    frameChunker(range, size) {
        const [first, last] = range.split("-").map(Number);
        const chunks = [];
        for (let start = first; start <= last; start += size) {
            const end = Math.min(start + size - 1, last);
            chunks.push(start === end ? `${start}` : `${start}-${end}`);
        }
        return chunks;
    },
    frameCount(chunk) {
        const [first, last] = chunk.split("-").map(Number);
        return last === undefined ? 1 : last - first + 1;
    },
    formatTimestampLocal: () => "2026-11-22_020000",
    print() {},
};

const context = vm.createContext(globals);
vm.runInContext(fs.readFileSync(process.argv[2], "utf-8"), context);
const type = vm.runInContext("JOB_TYPE", context);
for (const setting of type.settings) {
    if (setting.default !== undefined && job.settings[setting.key] === undefined) {
        job.settings[setting.key] = setting.default;
    }
}
try {
    vm.runInContext("compileJob", context)(job);
} catch (error) {
    console.log(JSON.stringify({ error: `${error}` }));
    process.exit(0);
}
console.log(JSON.stringify({ type, tasks: job.tasks }));
