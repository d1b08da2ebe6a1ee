// Weighs a unit in 32 bits: node footprint32.mjs PACKAGE CODE SETTINGS footprint.py
//
// PACKAGE is the folder of @micropython/micropython-webassembly-pyscript: MicroPython compiled to
// WebAssembly, whose words have 4 bytes and whose heap blocks have 16, as on an ESP32. Prints one
// line of JSON, as footprint.py does, and what is taken after the imports.
//
// This VM collects garbage only between calls from here, never inside one; so every figure is read
// in a call of its own. Its asyncio has no streams: the unit's reader waits for ever, as it does
// for an agent that is not there.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [place, code, settings, script] = process.argv.slice(2);
const RUN_MS = 3000;
const { loadMicroPython } = await import(pathToFileURL(join(place, "micropython.mjs")));
const printed = [];
const vm = await loadMicroPython({ heapsize: 1 << 20, stdout: (line) => printed.push(line) });

function copyTree(from, to) {
  vm.FS.mkdirTree(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) copyTree(source, target);
    else vm.FS.writeFile(target, readFileSync(source));
  }
}

function weigh() {
  vm.runPython("gc.collect()");
  vm.runPython("print(gc.mem_alloc())");
  return Number(printed.pop());
}

copyTree(code, "/code");
vm.FS.mkdirTree("/flash");
vm.FS.writeFile("/flash/settings.json", settings);
vm.FS.writeFile("/code/footprint.py", readFileSync(script));
vm.runPython(`
import gc, sys, asyncio, binascii, hashlib, io, json, os, random, select, struct, time
sys.path.append("/code")
sys.argv.append("/flash") if sys.argv else sys.argv.extend(("", "/flash"))

class StreamReader:
    def __init__(self, link):
        self.link = link

    async def readinto(self, buffer):
        await asyncio.Event().wait()

asyncio.StreamReader = StreamReader
os.urandom = lambda count: bytes(random.getrandbits(8) for _ in range(count))
import footprint
`);
const before = weigh();
vm.runPython("footprint.load()");
const imported = weigh() - before;
await vm.runPythonAsync("footprint.start()");
await new Promise((done) => setTimeout(done, RUN_MS));
const live = weigh() - before;
vm.runPython(`footprint.report(${live})`);
const found = { ...JSON.parse(printed.pop()), imported };
vm.runPython("import micropython; micropython.qstr_info()");
found.names = Number(/n_qstr=(\d+)/.exec(printed.join(" "))[1]);
console.log(JSON.stringify(found));
process.exit(0);
