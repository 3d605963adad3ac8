// Says how the jobs of workflows end, by GitHub's own evaluator of conditions.
// Standard input is a JSON list of {jobs: {id: {if, needs}}, contexts, fails,
// cancelled}; standard output the list of {id: result}. A job whose id is in
// fails ends so when it runs.
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";
import { reviver } from "@actions/expressions/data/reviver";
import { truthy } from "@actions/expressions/result";
import { readFileSync } from "node:fs";

const status = ["always", "success", "failure", "cancelled"];

function holds(condition, values, contexts) {
  let text = (condition ?? "").trim();
  if (text.startsWith("${{")) text = text.slice(3, -2);
  if (!status.some((name) => text.includes(name + "("))) text = text.trim() ? `success() && (${text})` : "success()";
  const functions = status.map((name) => ({ name, description: "", minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(values[name]) }));
  const tokens = new Lexer(text).lex().tokens;
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  return truthy(new Evaluator(tree, JSON.parse(JSON.stringify(contexts), reviver), new Map(functions.map((f) => [f.name, f]))).evaluate());
}

function run({ jobs, contexts, fails, cancelled }) {
  const results = {};
  const needs = (id) => jobs[id].needs ?? [];
  const open = () => Object.keys(jobs).filter((id) => !(id in results));
  while (open().length > 0) {
    const ready = open().filter((id) => needs(id).every((n) => n in results));
    if (ready.length === 0) throw new Error("jobs need one another: " + open());
    for (const id of ready) {
      const before = needs(id).map((n) => results[n]);
      const values = {
        always: true,
        cancelled,
        success: !cancelled && before.every((r) => r === "success"),
        failure: !cancelled && before.includes("failure"),
      };
      const context = Object.fromEntries(needs(id).map((n) => [n, { result: results[n], outputs: {} }]));
      const runs = holds(jobs[id].if, values, { vars: {}, inputs: {}, ...contexts, needs: context });
      results[id] = runs ? (fails[id] ?? "success") : "skipped";
    }
  }
  return results;
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(run)));
