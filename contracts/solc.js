#!/usr/bin/env node
// Lets py-solc-x drive the compiler of npm: it asks a binary for --version, then feeds --standard-json on stdin.
// (solcjs itself prints extra text around its JSON.)
"use strict";
const fs = require("fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("usage: solc.js --version | --standard-json < input.json\n");
  process.exitCode = 2;
}
