// Holds an AsyncAPI document against the official JSON Schema and the parser's rules; hints do not count.
import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'))
const faults = diagnostics.filter(d => d.severity <= 1)
for (const d of faults) console.error(d.path.join('/'), d.message)
if (!document || faults.length > 0) process.exit(1)
console.log(`${document.channels().all().length} topics, no fault`)
