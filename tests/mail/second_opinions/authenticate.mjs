// Authenticates mail with mailauth. Standard input: {records: {name: [TXT]}, mails: {name: {raw: base64, ip, sender}}}.
import { authenticate } from "mailauth";

async function read() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const { records, mails } = JSON.parse(await read());
async function resolver(name, type) {
  const values = type === "TXT" ? records[name.toLowerCase()] : undefined;
  if (values) return values.map((value) => [value]);
  throw Object.assign(new Error("not published"), { code: "ENOTFOUND" });
}

const results = {};
for (const [name, { raw, ip, sender }] of Object.entries(mails)) {
  const options = { ip, sender, helo: "mail.example", mta: "mx.example", resolver, disableBimi: true };
  const found = await authenticate(Buffer.from(raw, "base64"), options);
  results[name] = {
    dkim: found.dkim.results.map(({ signingDomain, status }) => ({
      domain: signingDomain || "",
      result: status.result,
      aligned: Boolean(status.aligned),
    })),
    spf: found.spf ? found.spf.status.result : null,
    dmarc: found.dmarc ? found.dmarc.status.result : null,
    arc: found.arc ? found.arc.status.result : null,
  };
}
console.log(JSON.stringify(results));
