---@meta mtasts
-- SPDX-License-Identifier: ISC
-- Definitions for editors (LuaCATS), written by lua/manual/write.lua of lua/mtasts/api*.lua. No program loads this file.
-- luacheck: ignore 212 241

---The code of an error, see mtasts-errors(7).
---@alias mtasts.code
---| "no-memory" # out of memory
---| "internal" # internal error
---| "argument" # wrong argument
---| "setting" # wrong setting
---| "cancelled" # cancelled
---| "deadline" # the deadline passed
---| "net-module" # the network module cannot be loaded
---| "name-empty" # the name is empty
---| "name-syntax" # not a domain name
---| "name-long" # the name is too long
---| "name-literal" # an address literal has no MTA-STS policy (RFC 8461 3.4)
---| "dns-nxdomain" # the name does not exist in DNS
---| "dns-nodata" # the name has no record of this type
---| "dns-servfail" # the name server answered SERVFAIL
---| "dns-refused" # the name server refused the question
---| "dns-bogus" # DNSSEC validation failed
---| "dns-timeout" # no name server answered in time
---| "dns-malformed" # the name server's answer is malformed
---| "dns-limit" # the answer exceeds a limit (records, bytes or CNAME chain)
---| "dns-network" # no name server can be reached
---| "record-none" # no MTA-STS record
---| "record-several" # several records of this kind, exactly one must remain (RFC 8461 3.1, RFC 8460 3)
---| "record-syntax" # the MTA-STS record does not fit its syntax (RFC 8461 3.1)
---| "https-held" # the last fetch of this policy id failed; the next waits (RFC 8461 3.3)
---| "https-address" # the policy host has no address
---| "https-forbidden" # the policy host has only private or loopback addresses
---| "https-connect" # the policy host cannot be reached
---| "https-deadline" # the policy host did not answer in time
---| "https-tls" # no TLS 1.2 or newer with the policy host
---| "https-cert-name" # the certificate is not for the policy host
---| "https-cert-expired" # the policy host's certificate has expired
---| "https-cert-untrusted" # the policy host's certificate is not trusted
---| "https-cert-invalid" # the policy host's certificate is not valid
---| "https-redirect" # the policy host redirects, which is not followed (RFC 8461 3.3)
---| "https-status" # the policy host's HTTP status is not 200
---| "https-type" # the policy's media type is not text/plain
---| "https-size" # the policy is larger than the limit
---| "https-protocol" # the policy host does not speak HTTP as it should
---| "policy-syntax" # the policy does not fit its syntax (RFC 8461 3.2)
---| "policy-version" # the policy's version is missing or not STSv1
---| "policy-mode" # the policy's mode is missing or unknown
---| "policy-max-age" # the policy's max_age is missing or not a number of 1 to 10 digits
---| "policy-mx" # the policy has no usable mx
---| "policy-size" # the policy is larger than the limit
---| "tlsrpt-syntax" # the TLSRPT record does not fit its syntax (RFC 8460 3)
---| "report-none" # there is no TLS report in it
---| "report-size" # the report exceeds a limit (bytes, expansion, nesting or number of values)
---| "report-gzip" # the gzip data is damaged or breaks off (RFC 8460 5.2)
---| "report-syntax" # the report is no JSON as RFC 7493 wants it
---| "report-fields" # the text does not fit the schema of a TLS report (RFC 8460 4.4)
---| "report-count" # a count of the report is no whole number from 0 to 2^53-1 (RFC 8460 4.4)
---| "mx-none" # the domain accepts no mail (null MX, RFC 7505)
---| "mx-unmatched" # the MX is not in the policy (RFC 8461 4.1)
---| "mx-address" # the MX has no address
---| "smtp-connect" # the mail host cannot be reached
---| "smtp-timeout" # the mail host did not answer in time
---| "smtp-protocol" # the mail host does not speak SMTP as it should
---| "starttls-missing" # the mail host does not offer STARTTLS
---| "starttls-refused" # the mail host offers STARTTLS and then refuses it
---| "starttls-injection" # bytes follow the STARTTLS reply before TLS
---| "tls-handshake" # the TLS handshake failed
---| "cert-name" # the certificate is not for the mail host
---| "cert-expired" # the mail host's certificate has expired
---| "cert-untrusted" # the mail host's certificate is not trusted
---| "cert-invalid" # the mail host's certificate is not valid
---| "tlsa-invalid" # the certificate does not match the TLSA records
---| "store-none" # not in the store
---| "store-open" # the store cannot be opened
---| "store-version" # the store was written by a newer mtasts
---| "store-damaged" # the store is damaged
---| "store-full" # no space for the store
---| "store-busy" # the store is locked by another process
---| "store-io" # the store cannot be read or written

---What mtasts.configure is given, see mtasts(1).
---@class mtasts.settings
---fetch policies from private and loopback addresses too
---@field allow_private? boolean|"yes"|"no"
---check and refresh cached policies while the program runs; for long-lived programs
---@field background? boolean|"yes"|"no"
---file with trusted certificates (PEM); empty: the system's
---@field ca_file? string
---folder of hashed trusted certificates; empty: the system's
---@field ca_path? string
---count in the store how TLS with mail hosts and fetches of policies went, for TLS reporting (RFC 8460)
---@field count_sessions? boolean|"yes"|"no"
---longest wait for one DNS answer, all servers and tries together
---@field dns_deadline_ms? integer|string
---auto (ad when all name servers are loopback, else off), ad (believe the AD bit), validate, off
---@field dnssec? string
---longest fetch of a policy when nothing waits
---@field fetch_deadline_ms? integer|string
---name said in EHLO when probing; empty: the host name
---@field helo? string
---port of policy hosts
---@field https_port? integer|string
---HTTP proxy for fetching policies, http://host:port; empty: none, whatever the environment says
---@field https_proxy? string
---stderr, syslog, json (lines on stderr) or none
---@field log? string
---error, warning, info or debug
---@field log_level? string
---longest wait of a lookup while mail waits
---@field mail_deadline_ms? integer|string
---domains kept in memory by a long-lived program
---@field memory_entries? integer|string
---how long memory is believed before the store is asked again
---@field memory_s? integer|string
---addresses of DNS resolvers, [address]:port or address; empty: those of /etc/resolv.conf
---@field nameservers? string|string[]
---deliver or defer, when DNS fails temporarily and nothing is cached
---@field on_dns_failure? string
---longest STARTTLS probe of one mail host
---@field probe_deadline_ms? integer|string
---file to which filter-mtasts appends what smtpd says, for mtasts replay; empty: none
---@field record? string
---fetch a cached policy anew after this time, even if its id did not change
---@field refresh_s? integer|string
---address for questions about reports, LOCAL@DOMAIN; its domain is who submits them, and must sign their mail
---@field report_contact? string
---a report is sent after a random time of at most this, so that not all arrive at once
---@field report_delay_s? integer|string
---name of who sends TLS reports (RFC 8460), for people; without it and report_contact none are written
---@field report_organization? string
---envelope senders whose sessions are not counted where the mail server tells the sender; empty: report_contact
---@field report_senders? string|string[]
---program and arguments that a report is handed to as mail, with recipients in its header
---@field report_sendmail? string
---no new fetch of the same policy id within this time of a failed one; grows up to a day
---@field retry_s? integer|string
---file with rules in Lua; empty: /etc/mtasts/rules.lua if it exists; "none": none
---@field rules? string
---what else rules may use: execute (os.execute), popen (io.popen), loadlib (package.loadlib), debug, all; empty: none of these
---@field rules_allow? string|string[]
---port of mail hosts when probing
---@field smtp_port? integer|string
---file of the store; empty: /var/lib/mtasts/mtasts.db if it can be written, else under $XDG_STATE_HOME; "none": memory only
---@field store? string
---refuse policies that deviate from the RFC's syntax
---@field strict? boolean|"yes"|"no"
---file with DNSSEC trust anchors for dnssec=validate; empty: the system's root anchor
---@field trust_anchors? string

---What mtasts.lookup returns, and what rules are asked about. It is read-only.
---@class mtasts.answer
---"deliver" (as without it), "record" (testing: deliver and report), "require" (only to hosts that are permitted and verified, in MX
---order), "defer" (temporary failure)
---@field action "deliver"|"record"|"require"|"defer"
---the last answer of DNS for the record; absent: never (Unix seconds)
---@field checked_at? integer
---which hosts DANE guards: "all", "some", "none" or "unknown"
---@field dane "all"|"some"|"none"|"unknown"
---of the MX answer: "secure", "insecure" or "unknown"
---@field dnssec "secure"|"insecure"|"unknown"
---the policy domain, normalised
---@field domain string
---the end of a rule's exception; absent: open end (Unix seconds)
---@field exception_until? integer
---fetched_at + max_age (Unix seconds)
---@field expires_at? integer
---the last GET of this policy (Unix seconds)
---@field fetched_at? integer
---"network", "store", "memory", "rule" or "nothing"
---@field from "network"|"store"|"memory"|"rule"|"nothing"
---in the order of DNS preference
---@field hosts mtasts.host[]
---why the MX hosts are not known, or that there are none
---@field hosts_error? mtasts.error
---DNS answered for the MX hosts; there may still be none
---@field hosts_known boolean
---of the policy; absent: none applies
---@field id? string
---of the policy; absent: none applies (seconds)
---@field max_age? integer
---"none", "testing" or "enforce"; absent: no policy applies
---@field mode? "none"|"testing"|"enforce"
---mx patterns of the policy; empty: none applies
---@field patterns string[]
---a rule's; absent: no rule decided
---@field reason? string
---the last failure to learn the live policy, with at; absent: the last attempt went well
---@field refresh_error? mtasts.error
---a smart host in brackets: its own name is the policy domain, without MX
---@field smarthost boolean
---how the answer came about
---@field trace mtasts.step[]

---One MX host of an answer. It is read-only.
---@class mtasts.host
---if they were asked for
---@field addresses string[]
---of its addresses: "secure", "insecure" or "unknown"
---@field dnssec "secure"|"insecure"|"unknown"
---why this host cannot be used; absent: nothing speaks against it
---@field error? mtasts.error
---"none", "sts", "dane" (usable TLSA records come first, RFC 8461 2) or "unknown"
---@field guard "none"|"sts"|"dane"|"unknown"
---A-labels, lower case
---@field name string
---by the policy that applies; true when none applies
---@field permitted boolean
---of the MX record
---@field preference integer
---what a probe found; absent: not probed
---@field tls? mtasts.tls

---What mtasts.probe returns, and what a lookup of depth "tls" finds out about a host. It is read-only.
---@class mtasts.tls
---that was tried last
---@field address? string
---first line of the mail host
---@field banner? string
---OpenSSL's name of it
---@field cipher? string
---why not; absent: ok
---@field error? mtasts.error
---SHA-256 of the certificate, hexadecimal
---@field fingerprint? string
---of the certificate
---@field issuer? string
---the probe took (milliseconds)
---@field ms integer
---DNS names of the certificate, separated by blanks
---@field names? string
---the certificate is valid until then (Unix seconds)
---@field not_after? integer
---the certificate is valid from then (Unix seconds)
---@field not_before? integer
---STARTTLS, and a certificate that satisfies the guard
---@field ok boolean
---"TLSv1.3"
---@field protocol? string
---of the certificate
---@field subject? string

---One step of a lookup, in the trace of an answer.
---@class mtasts.step
---since the lookup began (milliseconds)
---@field at_ms integer
---of an error; absent: it went well
---@field code? mtasts.code
---it took (milliseconds)
---@field ms integer
---one line for people
---@field outcome string
---"store", "txt", "record", "address", "https", "policy", "mx", "tlsa", "probe", "rule", "verdict" and others
---@field what string

---The second result of a function whose first is nil, and what is wrong with an answer, a host or a probe. tostring makes one line of it.
---mtasts-errors(7) lists the codes.
---@class mtasts.error
---when; only of refresh_error (Unix seconds)
---@field at? integer
---stable, "https-cert-name"
---@field code mtasts.code
---more, printable ASCII; may be absent
---@field detail? string
---what it is about; may be absent
---@field domain? string
---one line for people
---@field message string
---RFC 8460 4.3; absent: not reportable
---@field result_type? string
---"name", "dns", "record", "https", "policy", "tlsrpt", "mx", "smtp", "tls", "store", "net", "report" or "mtasts"
---@field stage "name"|"dns"|"record"|"https"|"policy"|"tlsrpt"|"mx"|"smtp"|"tls"|"store"|"net"|"report"|"mtasts"
---may pass by itself
---@field temporary boolean

---What the hook "alarm" is told.
---@class mtasts.alarm
---the last failure
---@field error mtasts.error
---the end of the cached policy (Unix seconds)
---@field expires_at integer
---the first failure of this row (Unix seconds)
---@field failing_since integer

---What a hook of mtasts.osmtpd gets. All fields but id and recipients are absent as long as smtpd has not reported them. A rule may keep
---fields of its own in a session, under other names: they stay as long as the session.
---@class mtasts.session
---of the client, without port; "unix:..." for a local socket
---@field address? string
---"pass", "fail" or "error": does that name lead back to the address?
---@field fcrdns? "pass"|"fail"|"error"
---the name it gave with HELO or EHLO
---@field helo? string
---that smtpd gave it
---@field id string
---address and port that the client connected to
---@field listener? string
---smtpd's number of the message
---@field message? string
---the client's name by reverse DNS
---@field rdns? string
---of the message, accepted so far; a new list each time
---@field recipients string[]
---of the message, once accepted; absent for the empty one
---@field sender? string
---protocol, cipher and bits, "TLSv1.3:TLS_AES_256_GCM_SHA384:256"; absent: no TLS
---@field tls? string
---as which it has authenticated
---@field user? string

---What mtasts.parse_record reads.
---@class mtasts.record
---of the policy, 1 to 32 letters and digits
---@field id string

---What mtasts.parse_policy reads.
---@class mtasts.policy
---how long it may be kept, at most 31557600 (seconds)
---@field max_age integer
---"none", "testing" or "enforce"
---@field mode "none"|"testing"|"enforce"
---its patterns, A-labels in lower case; in mode none there may be none
---@field mx string[]

---What mtasts.parse_tlsrpt reads.
---@class mtasts.tlsrpt
---where reports go, as published
---@field rua string[]
---those of them that a report can be sent to
---@field usable string[]

---What mtasts.parse_destination reads.
---@class mtasts.destination
---the policy domain; absent: a literal has none
---@field domain? string
---"domain", "smarthost" or "literal"
---@field kind "domain"|"smarthost"|"literal"
---absent: none was given
---@field port? integer

---What deviates from the syntax: a list of finding, and these fields.
---@class mtasts.findings
---deviations beyond the 256 that are kept
---@field dropped integer
---the text fits the RFC's syntax to the letter
---@field strict boolean
---@field [integer] mtasts.finding

---One deviation.
---@class mtasts.finding
---of a report, the clause of an RFC that has the rule
---@field clause? string
---stable, "policy-blank-line"
---@field code string
---from 1; 0: not known (bytes)
---@field column integer
---from 1; 0: not known
---@field line integer
---one line for people, printable ASCII
---@field message string
---of a report, the value it is about: "policies[0].summary", counted from 0
---@field path? string
---the ABNF does not allow it
---@field strict_refuses boolean

---What the hook "session" is told: how a session with a mail host went. It is read-only.
---@class mtasts.counted
---its address
---@field address? string
---the policy domain
---@field domain string
---the name it gave
---@field helo? string
---of the MTA-STS policy, where one applied: "none", "testing" or "enforce"
---@field mode? "none"|"testing"|"enforce"
---the mail host, if it is known
---@field mx? string
---TLS was as the policy wants it
---@field ok boolean
---"sts", "tlsa" or "no-policy-found" (RFC 8460 4.4)
---@field policy_type "sts"|"tlsa"|"no-policy-found"
---what went wrong, in one line
---@field reason? string
---result type of RFC 8460 4.3, where it was not
---@field result? string
---the address of the sender
---@field source? string
---when it was counted (Unix seconds)
---@field time integer

---What mtasts.parse_report reads: what one reporter saw of TLS, mostly in one day (RFC 8460 4.4). Texts are UTF-8 without control
---characters: those, and bytes that are no UTF-8, stand as \xNN.
---@class mtasts.report
---the start of what it is about (Unix seconds)
---@field begins_at? integer
---a mail address of theirs
---@field contact? string
---and its end (Unix seconds)
---@field ends_at? integer
---of this report
---@field id? string
---who reports
---@field organization? string
---in the order of the report
---@field policies mtasts.report_policy[]

---One entry of a report: a policy, and the sessions under it. Names are normalised and addresses in the form of RFC 5952 where they are
---such; else they are as the report has them.
---@class mtasts.report_policy
---the policy domain
---@field domain? string
---and those that did not
---@field failed? integer
---what failed
---@field failures mtasts.report_failure[]
---the mx patterns of the policy
---@field patterns string[]
---the policy, a string for each line or TLSA record
---@field policy string[]
---"sts", "tlsa", "no-policy-found", or what else stands there
---@field policy_type? string
---sessions that went well; absent: the report does not tell
---@field successful? integer

---Failures of one kind, in an entry of a report.
---@class mtasts.report_failure
---its address
---@field address? string
---of failed sessions
---@field count? integer
---the name it gave itself
---@field helo? string
---a URI with more about it
---@field info? string
---the mail host
---@field mx? string
---an error code or message
---@field reason? string
---the result type, "certificate-expired" (RFC 8460 4.3)
---@field result? string
---the address of the sending server
---@field source? string

---What osmtpd.proceed, junk, reject and disconnect make, and a hook returns.
---@class mtasts.decision

---What exim.defer makes, and a provided function returns.
---@class mtasts.deferral

---What mtasts.treat_as makes, and a rule returns.
---@class mtasts.opinion

---What lookup is given.
---@class mtasts.lookup_opts
---"policy", "hosts" (default: and its MX hosts) or "tls" (and what each answers to STARTTLS)
---@field depth? "policy"|"hosts"|"tls"
---"cached" (default: an unexpired policy answers at once), "due" (checks that are due come first), "always" (ask DNS and fetch now),
---"cache-only" (never touch the network)
---@field freshness? "cached"|"due"|"always"|"cache-only"
---more than 0, at most 3600; default: setting mail_deadline_ms, and with depth "tls" probe_deadline_ms more (seconds)
---@field timeout? number
---false: the answer of the RFC, without rules
---@field rules? boolean
---false: no trace, for rules neither; quicker, for what is asked often
---@field trace? boolean

---What probe is given.
---@class mtasts.probe_opts
---1 to 65535; default: setting smtp_port
---@field port? integer
---of the probe, after DNS has answered: more than 0, at most 3600; default: setting probe_deadline_ms (seconds)
---@field timeout? number

---What parse_policy is given.
---@class mtasts.parse_policy_opts
---true: refuses what deviates from the ABNF; default: forgives what cannot be misread
---@field strict? boolean

---What parse_report is given.
---@class mtasts.parse_report_opts
---true: refuses what breaks a rule of the RFC; default: forgives what cannot be misread
---@field strict? boolean

---What record_session is given.
---@class mtasts.record_session_session
---the destination, as mail servers write it
---@field domain string
---which policy applied: "sts", "tlsa" or "no-policy-found" (default)
---@field type? "sts"|"tlsa"|"no-policy-found"
---the code of the error that ended it, one with a result_type ("cert-expired"); nil: it went well
---@field result? mtasts.code
---name of the MX host
---@field mx? string
---IP address of the MX host
---@field address? string
---our IP address
---@field source? string
---what the MX host calls itself in its greeting; its first 255 bytes are kept
---@field helo? string
---more on the failure, one line; its first 159 bytes are kept
---@field reason? string

---What exception is given.
---@class mtasts.exception_told
---the domains; "*.a.test" stands for names with one label more
---@field domain string|string[]
---"none", "testing" or "enforce"
---@field mode "none"|"testing"|"enforce"
---for who reads the log; its first 159 bytes are kept
---@field reason string
---as a string "YYYY-MM-DD", a day, which counts to its end in UTC; default: open end (Unix seconds)
---@field until_? string|integer

---What fake is given.
---@class mtasts.fake_told
---["NAME TYPE"] = {record, ..., ttl = seconds, dnssec = "secure"|"insecure"|"unknown", delay_ms = number, error = code}, or a code
---("servfail"), or {} for no record; types A, AAAA, MX, TXT, TLSA, CNAME (one name)
---@field dns? table<string, string|table>
---[HOST] = body, or a code ("https-cert-name"), or {status =, type =, body =, delay_ms =, error =, headers = {[NAME] = value}, tls =,
---no_sni = code, by_address =, by_path =, by_agent =}; the last three are tables of such values, for who asks at one address ("192.0.2.1"),
---for another path than that of the policy ("/mta-sts.txt") or with one user agent
---@field https? table<string, string|table>
---[HOST] = "ok", or a code ("cert-expired"), or {error =, delay_ms =, banner = line, banner_code =, ehlo = {line, ...} without codes,
---ehlo_code =, starttls_code =, tls =, no_sni = code, old_tls = true (speaks TLS 1.1, too), inject = true (obeys what stands in plain text
---behind STARTTLS), by_address =}
---@field smtp? table<string, string|table>
---where its clock begins, as a string "YYYY-MM-DDThh:mm:ssZ"; default: now (Unix seconds)
---@field now? string|integer

---What mtasts.fake returns.
---@class mtasts.world
---the time in this world (Unix seconds)
---@field now integer
local world = {}

---Tells one question of DNS anew.
---
---It never waits. Errors: raises: what cannot be read; a world that is closed. Context: while the world is open. Since 0.1.0.
---@param key string # "NAME TYPE"
---@param value string|table # what DNS says from now on, as in fake
function world:dns(key, value) end

---Tells anew what a policy host answers.
---
---It never waits. Errors: raises: what cannot be read; a world that is closed. Context: while the world is open. Since 0.1.0.
---@param host string # name of the policy host
---@param value string|table # what it answers from now on, as in fake
function world:https(host, value) end

---Tells anew what a mail host answers to a probe.
---
---It never waits. Errors: raises: what cannot be read; a world that is closed. Context: while the world is open. Since 0.1.0.
---@param host string # name of the mail host
---@param value string|table # what it answers from now on, as in fake
function world:smtp(host, value) end

---How often something was asked for since the world was made.
---
---It never waits. Errors: raises: anything else; a world that is closed. Context: while the world is open. Since 0.1.0.
---@param what string # "TXT NAME", "MX NAME", ... (a type of DNS), "GET HOST", "SMTP HOST"; "GET", "SMTP": all of them; "DNS": all
---questions of DNS
---@return integer count
function world:count(what) end

---Lets time pass.
---
---It never waits. Errors: raises: no number, a negative one; a world that is closed. Context: while the world is open. Since 0.1.0.
---@param seconds number # not negative (seconds)
function world:advance(seconds) end

---Ends the told world; the real one and the settings from before it are in force again. What is under way ends as cancelled. Twice is fine.
---A variable that is declared <close> does it by itself.
---
---It never waits. Context: anywhere but in a finalizer. Since 0.1.0.
function world:close() end

---MTA-STS (RFC 8461) for Lua, see mtasts-lua(3).
---@class mtasts
---Grows by one with each change of this API.
---@field api integer
---The version of mtasts, "0.1.0".
---@field version string
local mtasts = {}

---Changes settings, all of them or none; those that are not named stay. What is under way ends as cancelled, so call it first. Settings:
---mtasts(1).
---
---It never waits. Errors: raises: an unknown name (the nearest known one is named) or a value that does not fit; too late: the rules are
---loaded. Context: anywhere but in a finalizer; in filter-mtasts and table-mtasts only while the rules are loaded. Since 0.1.0.
---@param settings mtasts.settings # names and values; each may be a text as in a settings file, a list also a list of strings, a number a
---number, and a bool a boolean
function mtasts.configure(settings) end

---What a sender does for this destination now, and why.
---
---It may wait. Errors: returns name-empty, name-syntax, name-long, name-literal, cancelled, no-memory; raises: an argument of a wrong type,
---an unknown option (the nearest known one is named). Context: anywhere but in a finalizer; within a rule it asks no rules. Since 0.1.0.
---Source: RFC 8461 3, 4, 5.
---@param domain string # a destination as mail servers write it: "a.example", "User@a.example", "[smart.host]:25", U-labels
---@param opts? mtasts.lookup_opts
---@return mtasts.answer? answer
---@return mtasts.error? err
---@overload fun(domain: string, opts?: mtasts.lookup_opts): nil, mtasts.error
function mtasts.lookup(domain, opts) end

---STARTTLS and certificate of one mail host, as a sender that honours MTA-STS sees them. No message is sent.
---
---It may wait. Errors: returns name-*, dns-*, mx-address (no address), net-module, cancelled, no-memory; raises: an argument of a wrong
---type, an unknown option (the nearest known one is named). Context: anywhere but in a finalizer. Since 0.1.0. Source: RFC 8461 4.2.
---@param host string # name of a mail host; it is also SNI and the name the certificate must bear
---@param opts? mtasts.probe_opts
---@return mtasts.tls? tls
---@return mtasts.error? err
---@overload fun(host: string, opts?: mtasts.probe_opts): nil, mtasts.error
function mtasts.probe(host, opts) end

---Several at once: looks domains up, calls functions, each of which may wait. Equal lookups share one question and one fetch.
---
---It may wait. Errors: raises: an element of a wrong type; and, once all have ended, the first error raised by a function. Context:
---anywhere but in a finalizer. Since 0.1.0.
---@param list (string|fun(): any)[] # of domains (strings) and functions without arguments
---@return table[] results
function mtasts.all(list) end

---The time of the world that is in force: the real one or that of mtasts.fake.
---
---It never waits. Context: anywhere. Since 0.1.0.
---@return integer now
function mtasts.now() end

---Reads the TXT record of _mta-sts, or chooses it from all TXT records of that name.
---
---It never waits. Errors: returns record-none, record-several (of a list), record-syntax; raises: an argument of a wrong type, too many
---records. Context: anywhere. Since 0.1.0. Source: RFC 8461 3.1.
---@param text string|string[] # the strings of a TXT record joined; a list: all TXT records, at most 256
---@return mtasts.record? record
---@return mtasts.error? err
---@return mtasts.findings findings
function mtasts.parse_record(text) end

---Reads a policy as the policy host serves it.
---
---It never waits. Errors: returns policy-*, no-memory; raises: an argument of a wrong type, an unknown option (the nearest known one is
---named). Context: anywhere. Since 0.1.0. Source: RFC 8461 3.2.
---@param body string # at most 65536 bytes
---@param opts? mtasts.parse_policy_opts
---@return mtasts.policy? policy
---@return mtasts.error? err
---@return mtasts.findings findings
function mtasts.parse_policy(body, opts) end

---Reads the TXT record of _smtp._tls, or chooses it from all TXT records of that name.
---
---It never waits. Errors: returns record-none, record-several (of a list), tlsrpt-syntax, no-memory; raises: an argument of a wrong type,
---too many records. Context: anywhere. Since 0.1.0. Source: RFC 8460 3.
---@param text string|string[] # as with parse_record
---@return mtasts.tlsrpt? tlsrpt
---@return mtasts.error? err
---@return mtasts.findings findings
function mtasts.parse_tlsrpt(text) end

---Reads a TLS report that somebody sent: JSON, or that in gzip form. What cannot be misread is taken, be it ever so incomplete, and each
---departure from the RFC is told. The text has at most 64 MiB, and beyond 1 MiB at most 200 times the size of its gzip form.
---
---It never waits. Errors: returns report-*, no-memory; raises: an argument of a wrong type, an unknown option (the nearest known one is
---named). Context: anywhere. Since 0.1.0. Source: RFC 8460 4.4.
---@param bytes string # as they came
---@param opts? mtasts.parse_report_opts
---@return mtasts.report? report
---@return mtasts.error? err
---@return mtasts.findings findings
function mtasts.parse_report(bytes, opts) end

---Normalises a destination: A-labels, lower case, no trailing dot.
---
---It never waits. Errors: returns name-empty, name-syntax, name-long, no-memory; raises: an argument of a wrong type. Context: anywhere.
---Since 0.1.0. Source: RFC 8461 3.4.
---@param text string # a destination as mail servers write it: "a.example", "User@a.example", "[smart.host]:25", U-labels, an address
---literal
---@return mtasts.destination? destination
---@return mtasts.error? err
---@overload fun(text: string): nil, mtasts.error
function mtasts.parse_destination(text) end

---Does a host match a pattern of a policy? "*." stands for exactly one label.
---
---It never waits. Errors: raises: an argument of a wrong type, a zero byte in a name. Context: anywhere. Since 0.1.0. Source: RFC 8461 4.1.
---@param pattern string # A-labels; one with U-labels never matches
---@param host string # name of an MX host
---@return boolean matches
function mtasts.mx_matches(pattern, host) end

---Counts one session with a mail host, for TLS reporting: adds one to the counter of today (UTC) for sessions like this one, in the store.
---Exact, however many programs count. If the type is "sts", the text of the policy is that of the domain in the store. Of a session that
---went well only domain, policy and mx are kept. "mtasts store sessions" shows the counters.
---
---It never waits. Errors: returns name-*, argument (an error without result_type), store-* (store-none: the setting store is "none"),
---no-memory; raises: no table, no domain, an unknown field, a field of a wrong type, an unknown type of policy, a code that is none.
---Context: anywhere but in a finalizer. Since 0.1.0. Source: RFC 8460 4.3, 4.4.
---@param session mtasts.record_session_session
---@return boolean? counted
---@return mtasts.error? err
---@overload fun(session: mtasts.record_session_session): nil, mtasts.error
function mtasts.record_session(session) end

---Adds a rule. Rules are asked in the order they were added and the first opinion wins; none can be taken back. A rule that fails, runs
---more than 50 million instructions or takes more than 64 MB of memory in one call is logged with a traceback and counts as no opinion.
---
---It never waits. Errors: raises: an unknown kind (the nearest known one is named), no function. Context: anywhere. Since 0.1.0.
---@param kind "policy"|"verdict"|"alarm"|"session" # the hook: "policy", "verdict", "alarm" or "session"
---@param fn function # the rule; what it gets and returns depends on the hook
---@overload fun(kind: "policy", fn: fun(answer: mtasts.answer): mtasts.opinion?)
---@overload fun(kind: "verdict", fn: fun(answer: mtasts.answer): mtasts.opinion?)
---@overload fun(kind: "alarm", fn: fun(domain: string, info: mtasts.alarm))
---@overload fun(kind: "session", fn: fun(session: mtasts.counted))
function mtasts.on(kind, fn) end

---An opinion, to be returned by a rule: treat the domain as if its policy had this mode. Past its end it no longer counts and the log says
---so; an end in the past is no error. "enforce" for a domain without a policy has no patterns: every MX is permitted, and delivery still
---requires verified TLS.
---
---It never waits. Errors: raises: an unknown mode, no reason, an end that is no day and no time. Context: anywhere. Since 0.1.0.
---@param mode "none"|"testing"|"enforce" # "none", "testing" or "enforce"
---@param reason string # for who reads the log; its first 159 bytes are kept
---@param until_? string|integer # as a string "YYYY-MM-DD", a day, which counts to its end in UTC; default: open end (Unix seconds)
---@return mtasts.opinion opinion
function mtasts.treat_as(mode, reason, until_) end

---Declares in a file of rules what mtasts.treat_as would say for these domains: a rule "policy" that is asked in its turn. When it is over
---it no longer counts, and the log says so, once. "mtasts store list --exceptions" lists them.
---
---It never waits. Errors: raises: no domain, an unknown mode or field (the nearest known one is named), no reason, an end that is no day
---and no time. Context: anywhere. Since 0.1.0.
---@param told mtasts.exception_told
function mtasts.exception(told) end

---From here on lookups happen in a world that is told, with its own clock and without a store, until world:close(). Keep the world in a
---variable: one that nobody holds is closed. What is not told does not exist. Time stands still but for waiting. Mail servers are not
---served with rules that leave one open. What tls is, of a host of https or smtp: {protocol = "TLSv1.3", cipher =, error = code of
---verification ("cert-expired"), chain = {certificate, ...}}, a certificate {subject =, issuer =, names = {name, ...}, not_before =,
---not_after = Unix seconds, key = "RSA"|"EC"|"ED25519", key_bits =, curve = "P-256", signature = "sha256WithRSAEncryption", self_issued =,
---fingerprint =, spki =}; no_sni: what verification says, or "tls-handshake", when the host is not named. What of this is not told is as it
---should be, with 60 days left.
---
---It never waits. Errors: raises: an unknown part (the nearest known one is named) or field, what cannot be read, a world that is open
---already; too late: the rules are loaded. Context: anywhere but in a finalizer; in filter-mtasts and table-mtasts only while the rules are
---loaded; for tests of rules. Since 0.1.0.
---@param told mtasts.fake_told
---@return mtasts.world world
function mtasts.fake(told) end

return mtasts
