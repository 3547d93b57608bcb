// node site_search.js SITE QUERY…: the first place that the search of a built site finds, a line each.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [site, ...queries] = process.argv.slice(2);
const workers = path.join(site, "assets", "javascripts", "workers");
const worker = fs.readdirSync(workers).find((name) => /^search.*\.js$/.test(name));
let listen, answer;
const page = vm.createContext({
  addEventListener: (_, listener) => (listen = listener),
  postMessage: (message) => answer(message.data),
  console,
});
page.self = page;
vm.runInContext(fs.readFileSync(path.join(workers, worker), "utf8"), page);
const ask = (type, data) => new Promise((done) => { answer = done; listen({ data: { type, data } }); });

(async () => {
  const index = JSON.parse(fs.readFileSync(path.join(site, "search", "search_index.json"), "utf8"));
  await ask(0, { ...index, options: {} });
  for (const query of queries) {
    const { items } = await ask(2, query);
    console.log(items.length ? items[0][0].location : "");
  }
})();
