// Renders a template for each event of a list, and prints the list of texts.
import fs from "node:fs";
import { Liquid } from "liquidjs";

const [file, events] = process.argv.slice(2);
const engine = new Liquid({ strictFilters: true, strictVariables: true });
const template = engine.parse(fs.readFileSync(file, "utf8"));
const render = (event) => engine.renderSync(template, { event });
console.log(JSON.stringify(JSON.parse(events).map(render)));
