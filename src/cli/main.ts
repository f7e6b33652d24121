#!/usr/bin/env node
// The command `petrel`.

import { Command } from 'commander'
import { version } from './version.js'

const program = new Command('petrel')
program.command('version').action(() => console.log(version()))
await program.parseAsync()
