// SPDX-License-Identifier: Apache-2.0
//
// Flamenco 3 job type: render a blend file, make a movie of the frames, publish it to Kitsu.
// Copy it to the folder "scripts" beside the flamenco-manager executable.

const JOB_TYPE = {
    label: "Render and Publish to Kitsu",
    description: "Render frames, make a movie of them and publish it with farm_tasks",
    settings: [
        { key: "frames", type: "string", required: true, visible: "submission",
          eval: "f'{C.scene.frame_start}-{C.scene.frame_end}'",
          evalInfo: { showLinkButton: true, description: "Scene frame range" },
          description: "Frames to render, such as 1-100" },
        { key: "chunk_size", type: "int32", default: 1, visible: "submission",
          description: "Frames in one render task" },
        { key: "render_output_root", type: "string", subtype: "dir_path", required: true, visible: "submission",
          description: "Folder for the frames and the movie; the farm_tasks workers must see it, too" },
        { key: "add_path_components", type: "int32", required: true, default: 0, propargs: { min: 0, max: 32 },
          visible: "submission", description: "How many folders of the blend file's path to add to it" },
        { key: "render_output_path", type: "string", subtype: "file_path", editable: false,
          eval: "str(Path(abspath(settings.render_output_root), last_n_dir_parts(settings.add_path_components), jobname, '{timestamp}', '######'))",
          description: "Where the frames go" },

        { key: "kitsu_task", type: "string", required: true, visible: "submission",
          description: "demo/SQ01/SH010/compositing, or the task's id" },
        { key: "kitsu_status", type: "string", default: "wfa", visible: "submission",
          description: "Short name of the status to set; empty to keep the present one" },
        { key: "kitsu_comment", type: "string", default: "", visible: "submission",
          description: "Text of the comment" },
        { key: "kitsu_person", type: "string", default: "", visible: "submission",
          description: "Email or full name of the artist" },
        { key: "movie_by", type: "string", default: "Flamenco", choices: ["Flamenco", "farm_tasks"], visible: "submission",
          description: "farm_tasks makes it on its media workers: EXR, OCIO and burn-ins need that" },
        { key: "wait_for_kitsu", type: "bool", default: true, visible: "submission",
          description: "The publish task ends with the publish, and fails with it. Otherwise it only hands over" },

        { key: "farm_tasks", type: "string", default: "farm-tasks", visible: "web",
          description: "Path of the farm-tasks command on the workers, or a {variable} of the Manager" },
        { key: "blendfile", type: "string", required: true, visible: "web", description: "Blend file to render" },
        { key: "fps", type: "float", visible: "hidden", eval: "C.scene.render.fps / C.scene.render.fps_base" },
        { key: "format", type: "string", required: true, visible: "web",
          eval: "C.scene.render.image_settings.file_format" },
        { key: "image_file_extension", type: "string", required: true, visible: "hidden",
          eval: "C.scene.render.file_extension" },
        { key: "scene", type: "string", required: true, visible: "web", eval: "C.scene.name" },
    ],
};

const NO_IMAGES = ["FFMPEG", "AVI_RAW", "AVI_JPEG"];
const NOT_FOR_FFMPEG = ["EXR", "MULTILAYER", "OPEN_EXR", "OPEN_EXR_MULTILAYER"];

function compileJob(job) {
    const settings = job.settings;
    if (NO_IMAGES.indexOf(settings.format) >= 0) {
        throw `This job type renders images; ${settings.format} is a movie. Choose another format in the scene.`;
    }
    if (settings.movie_by !== "farm_tasks" && NOT_FOR_FFMPEG.indexOf(settings.format) >= 0) {
        throw `${settings.format} needs a colour transform to become a movie: set movie_by to farm_tasks.`;
    }
    const output = settings.render_output_path.replace("{timestamp}", formatTimestampLocal(job.created));
    settings.render_output_path = output;

    const renders = renderTasks(settings, output);
    let before = renders;
    let what = ["--frames", output + settings.image_file_extension, "--range", settings.frames,
                "--fps", rationalRate(settings.fps)];
    if (settings.movie_by !== "farm_tasks") {
        const movie = path.join(path.dirname(output), `${path.stem(settings.blendfile)}.mp4`);
        before = [movieTask(settings, output, movie, renders)];
        what = [movie];
    }
    const publish = publishTask(job, what, before);

    // A task's dependencies must be known when it is added: the Manager keeps a copy.
    for (const task of renders) {
        job.addTask(task);
    }
    if (before !== renders) {
        job.addTask(before[0]);
    }
    job.addTask(publish);
}

function renderTasks(settings, output) {
    return frameChunker(settings.frames, settings.chunk_size).map((chunk) => {
        const task = author.Task(`render-${chunk}`, "blender");
        task.addCommand(author.Command("blender-render", {
            exe: "{blender}",
            exeArgs: "{blenderArgs}",
            argsBefore: [],
            blendfile: settings.blendfile,
            args: [
                "--scene", settings.scene,
                "--render-output", output,
                "--render-format", settings.format,
                "--render-frame", chunk.split("-").join(".."),
            ],
        }, frameCount(chunk)));
        return task;
    });
}

function movieTask(settings, output, movie, renders) {
    const task = author.Task("movie", "ffmpeg");
    task.addCommand(author.Command("frames-to-video", {
        exe: "ffmpeg",
        fps: settings.fps,
        inputGlob: path.join(path.dirname(output), `*${settings.image_file_extension}`),
        outputFile: movie,
        // The ASWF's recommendations for review: bt709, tagged as such, even in size.
        args: [
            "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart",
            "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv",
            "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709",
            "-color_trc", "iec61966-2-1", "-y",
        ],
    }));
    renders.forEach((one) => task.addDependency(one));
    return task;
}

function publishTask(job, what, before) {
    const settings = job.settings;
    const task = author.Task("publish", "misc");
    // Whatever a person typed is the value of an option, never an option of its own.
    const args = ["publish", `--task=${settings.kitsu_task}`];
    if (settings.kitsu_status) {
        args.push(`--status=${settings.kitsu_status}`);
    }
    if (settings.kitsu_comment) {
        args.push(`--comment=${settings.kitsu_comment}`);
    }
    if (settings.kitsu_person) {
        args.push(`--person=${settings.kitsu_person}`);
    }
    args.push(`--key=flamenco:${job.jobID}:{content}`, `--farm-job=flamenco ${job.name}`.slice(0, 200));
    args.push(settings.wait_for_kitsu ? "--wait" : "--no-wait");
    task.addCommand(author.Command("exec", { exe: settings.farm_tasks, args: args.concat(what) }));
    before.forEach((one) => task.addDependency(one));
    return task;
}

// 23.976 is written 24000/1001: a rate that is only nearly right is a frame off after some minutes.
function rationalRate(fps) {
    const whole = Math.round(fps * 1.001);
    if (Math.abs(fps - Math.round(fps)) > 0.001 && Math.abs(fps * 1.001 - whole) < 0.001) {
        return `${whole * 1000}/1001`;
    }
    return `${fps}`;
}
