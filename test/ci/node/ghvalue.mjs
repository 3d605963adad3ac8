// Says what an expression comes to, by GitHub's own evaluator. Standard input
// is {expression, contexts} in JSON, standard output the value in JSON.
import { Evaluator, Lexer, Parser } from "@actions/expressions";
import { replacer } from "@actions/expressions/data/replacer";
import { reviver } from "@actions/expressions/data/reviver";
import { readFileSync } from "node:fs";

const { expression, contexts } = JSON.parse(readFileSync(0, "utf8"));
const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), []).parse();
const value = new Evaluator(tree, JSON.parse(JSON.stringify(contexts), reviver)).evaluate();
console.log(JSON.stringify(value, replacer));
