// A receiver as CRM developers write them: verifies each event by standardwebhooks and by svix, on the bytes
// as they came and on what JSON.stringify makes of the parsed body. Prints its port, then a line per event.
"use strict";
const http = require("node:http");
const standard = require("standardwebhooks");
const svix = require("svix");

const secret = process.argv[2];
const verifiers = { standardwebhooks: new standard.Webhook(secret), svix: new svix.Webhook(secret) };

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const raw = Buffer.concat(parts).toString("utf8");
    const wrong = [];
    for (const [name, verifier] of Object.entries(verifiers)) {
      for (const [way, text] of [["raw", raw], ["parsed", JSON.stringify(JSON.parse(raw))]]) {
        try {
          verifier.verify(text, request.headers);
        } catch (error) {
          wrong.push(`${name} ${way}: ${error.message}`);
        }
      }
    }
    console.log(JSON.stringify({ target: request.url, id: request.headers["webhook-id"], wrong }));
    response.writeHead(wrong.length ? 400 : 204);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
