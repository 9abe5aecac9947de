// Parses every .eml file of a directory with two parsers and prints one JSON object.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";

const digest = (content) => createHash("sha256").update(Buffer.from(content)).digest("hex");
const asFile = (name, content) => ({ name: name || "", sha256: digest(content) });
const bare = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true };

async function byPostalMime(raw) {
  const mail = await PostalMime.parse(raw);
  const from = mail.from ?? {};
  return {
    subject: mail.subject ?? "",
    from: from.group ? from.group.map((one) => one.address) : from.address ? [from.address] : [],
    name: from.name ?? "",
    text: mail.text ?? "",
    html: mail.html ?? "",
    files: mail.attachments.map((file) => asFile(file.filename, file.content)),
  };
}

async function byMailparser(raw) {
  const mail = await simpleParser(raw, bare);
  const from = mail.from?.value ?? [];
  return {
    subject: mail.subject ?? "",
    from: from.flatMap((one) => one.group ?? [one]).map((one) => one.address).filter(Boolean),
    name: from[0]?.name ?? "",
    text: mail.text ?? "",
    html: mail.html || "",
    files: mail.attachments.map((file) => asFile(file.filename, file.content)),
  };
}

const attempt = (parse, raw) => parse(raw).catch((error) => ({ error: String(error) }));
const results = {};
for (const file of readdirSync(process.argv[2]).filter((name) => name.endsWith(".eml"))) {
  const raw = readFileSync(join(process.argv[2], file));
  results[file.slice(0, -4)] = {
    "postal-mime": await attempt(byPostalMime, raw),
    mailparser: await attempt(byMailparser, raw),
  };
}
console.log(JSON.stringify(results));
