// Evaluates DMARC by RFC 9989. Standard input: {name: {records: {name: TXT}, existing: [name], sender, signer}}.
// Only this part of the newer mailauth is loaded: the rest of it needs Node 22.
import lib from "mailauth-9989/lib/dmarc/index.js";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

const results = {};
for (const [name, { records, existing, sender, signer }] of Object.entries(JSON.parse(Buffer.concat(chunks)))) {
  const resolver = async (host, type) => {
    if (type === "TXT" && records[host]) return records[host].split("\n").map((text) => [text]);
    if (type === "A" && existing.includes(host)) return ["192.0.2.1"];
    throw Object.assign(new Error("not published"), { code: "ENOTFOUND" });
  };
  const options = { headerFrom: [`ann@${sender}`], spfDomains: [], dkimDomains: [{ domain: signer }], resolver };
  const { status, policy } = await lib.dmarc(options);
  results[name] = { policy: policy || "", result: status.result };
}
console.log(JSON.stringify(results));
