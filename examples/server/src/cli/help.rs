//! What `--help` says of the whole program.

pub(super) const LONG_ABOUT: &str = "\
The reference server of Syncline, and its administration.

It keeps the logs of many spaces and the accounts of their users in one SQLite file, or in another store. Devices push and \
pull over HTTP. It is a relay: it stores bundles as they come, and reads no payload.";

pub(super) const AFTER_LONG_HELP: &str = "\
A first session:
  syncline-server setup --user ann --device laptop --space notes   # prints the token, once
  syncline-server serve                                            # until Ctrl-C

While it runs, in another terminal:
  syncline-server status
  syncline-server user add bob
  syncline-server device add bob phone
  syncline-server token create bob phone --expires 30d
  syncline-server grant notes bob writer
  syncline-server log notes | head
  syncline-server verify

Logs that stay small, for devices whose views the server can fold (--view):
  syncline-server snapshot make notes                              # new devices begin with it
  syncline-server trim notes --keep 10000 --dry-run                # what would go, and who holds the rest
  syncline-server serve --snapshot-every 10000 --trim-keep 10000   # both by itself, from time to time
  syncline-server trim notes --archive /var/lib/archive            # what goes is kept there first
  syncline-server archive verify notes --archive /var/lib/archive  # nothing is missing

Another store: --store redb:FILE or sled:FOLDER keeps the logs there, and the accounts in the database. \
--store postgres://USER@HOST/DATABASE keeps both there, for any number of servers. memory: keeps the logs as long as the \
server runs. Every command has this option. To change the store of a space while it is served:
  syncline-server move notes --to redb:notes.redb                  # as often as you like; each run copies only what is new
  syncline-server verify notes --against redb:notes.redb           # with the server stopped: nothing is missing

Administration and the running server: every command except `serve` works on the database file. While a server has it \
open, the command finds the server through the file `<database>.control`, which only its owner can read, and the server \
does the work. You need not stop anything, and a change takes effect with the next request.

Configuration: flags override SYNCLINE_* variables, which override the file of --config, which overrides the defaults. \
The file's keys are the long flags of `serve`, and `database` and `store`:
  database = \"/var/lib/syncline/syncline.sqlite\"
  listen = \"127.0.0.1:8550\"

Exit codes: 0 done; 1 failed, or `verify` found damage or a difference; 2 the command line or the configuration is wrong.";
