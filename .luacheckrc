std = 'lua54'
max_line_length = 140
files['tests/lua/*.lua'] = { std = 'lua54+busted' }
files['examples/*_spec.lua'] = { std = 'lua54+busted' }
files['lua/mtasts/run.lua'] = { globals = { 'arg' } }
