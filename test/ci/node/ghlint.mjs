// Checks workflows with GitHub's own parser and prints every diagnostic, the
// warnings too: a misspelt output of a needed job is only a warning there.
//
//   node ghlint.mjs FILE...     in the root of the repository
import { readFile } from "node:fs/promises";
import { register } from "node:module";

// The parser imports JSON files in a way that Node.js no longer takes.
register("data:text/javascript," + encodeURIComponent(`
  import { readFile } from "node:fs/promises";
  import { fileURLToPath } from "node:url";
  export async function load(url, context, next) {
    if (!url.endsWith(".json")) return next(url, context);
    const source = "export default " + await readFile(fileURLToPath(url), "utf8");
    return { format: "module", shortCircuit: true, source };
  }`));
const { validate, registerLogger } = await import("@actions/languageservice");

let problems = 0;
const report = (text) => { problems++; console.log(text); };

// validate() returns nothing after an error of its own, and only logs it.
const internal = (text) => report(`internal: ${text}`);
registerLogger({ error: internal, warn: internal, info() {}, log() {} });

const fileProvider = {
  async getFileContent(ref) {
    if (ref.owner) throw new Error(`a workflow of another repository: ${ref.owner}`);
    return { name: ref.path, content: await readFile(ref.path, "utf8") };
  },
};

const files = process.argv.slice(2);
if (files.length === 0) report("no files were named");
for (const file of files) {
  const text = await readFile(file, "utf8");
  const document = {
    uri: `file:///${file}`, languageId: "yaml", version: 1, lineCount: 0,
    getText: () => text, positionAt() {}, offsetAt() {},
  };
  for (const d of await validate(document, { fileProvider })) {
    report(`${file}:${d.range.start.line + 1}:${d.range.start.character + 1}: ${d.message}`);
  }
}
process.exit(problems > 0 ? 1 : 0);
