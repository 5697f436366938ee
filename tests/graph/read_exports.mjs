// Reads exports with the libraries they are for. In: JSON lines {kind, text}; out: JSON lines with what was understood.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const modules = process.argv[2];
const require = createRequire(path.join(modules, "package.json"));
const { JSDOM } = require("jsdom");
const window = new JSDOM("<!doctype html><body></body>").window;
globalThis.window = window;
globalThis.document = window.document;
const mermaid = (await import(pathToFileURL(path.join(modules, "node_modules/mermaid/dist/mermaid.core.mjs")))).default;
const cytoscape = require("cytoscape");
mermaid.initialize({ startOnLoad: false, maxTextSize: 10_000_000, maxEdges: 100_000 });

async function understand({ kind, text }) {
  if (kind === "cytoscape") {
    const drawn = cytoscape({ headless: true, elements: JSON.parse(text).elements });
    return {
      nodes: drawn.nodes().length,
      edges: drawn.edges().length,
      groups: drawn.nodes().filter((node) => node.isParent()).length,
      labels: drawn.nodes().map((node) => node.data("label")),
    };
  }
  const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
  const config = mermaid.mermaidAPI.getConfig();
  return {
    type: diagram.type,
    theme: config.theme,
    nodes: diagram.db.getVertices().size,
    edges: diagram.db.getEdges().length,
    groups: diagram.db.getSubGraphs().length,
    clicks: [...diagram.db.getVertices().values()].filter((node) => node.link || node.haveCallback).length,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await understand(JSON.parse(line));
  } catch (error) {
    answer = { error: String(error).slice(0, 500) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
