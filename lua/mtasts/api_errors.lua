-- SPDX-License-Identifier: ISC
-- What to do about an error: [code] = one sentence for whoever is called at night. Codes, messages and result types stand in
-- core/mtasts.h, which core.errors() lists; a test fails when a sentence is missing. Of these mtasts-errors(7) is made.
return {
  -- mtasts itself
  ['no-memory'] = 'See what eats the memory of this machine or of this process; mail goes on with what is known, or waits.',
  ['internal'] = 'This is a fault of mtasts: keep the log, and report it.',
  ['argument'] = 'Whoever wrote the call must correct it; the detail says which argument.',
  ['setting'] = 'Correct the settings; the message names the setting, and the nearest one where the name is wrong.',
  ['cancelled'] = 'Nothing: the program ended, changed its settings or closed its world while this was under way, or somebody pressed '
    .. 'Ctrl-C in mtasts repl.',
  ['deadline'] = 'Look at DNS and at the network first; if both are merely slow, raise mail_deadline_ms or the timeout of the call.',
  ['net-module'] = 'Install mtasts completely: mtasts-net.so must lie where libmtasts looks, and its libraries (getdns, libcurl, OpenSSL, '
    .. 'libevent) must be there.',
  -- destinations
  ['name-empty'] = 'Whoever calls must name a destination; after @ and without brackets something must be left.',
  ['name-syntax'] = 'Correct the name: it is none that DNS could have.',
  ['name-long'] = 'Correct the name: DNS knows none with more than 253 characters, or with a label of more than 63.',
  ['name-literal'] = 'Nothing: mail to an address in brackets goes as without MTA-STS.',
  -- DNS
  ['dns-nxdomain'] = "See whether the name is right; if it is, its owner's zone lacks it.",
  ['dns-nodata'] = 'Nothing where a record may be missing; else the owner of the domain has to publish it.',
  ['dns-servfail'] = 'Ask the same resolver with dig: either it is in trouble itself, or the name servers or DNSSEC of the domain are.',
  ['dns-refused'] = 'Let the resolver answer this machine, or name another one with the setting nameservers.',
  ['dns-bogus'] = "Do not turn DNSSEC off: see whether this machine's clock is right, and else tell the owner of the domain.",
  ['dns-timeout'] = 'See whether the resolver runs and is reached; if only this domain is slow, its name servers are.',
  ['dns-malformed'] = "Ask with dig: the domain's name servers, or a middlebox on the way, answer what is no DNS.",
  ['dns-limit'] = 'Tell the owner of the domain: nobody needs so many records, or so long a chain of aliases, for mail.',
  ['dns-network'] = "See whether this machine has a network, and which resolvers /etc/resolv.conf or the setting nameservers name.",
  -- the TXT record
  ['record-none'] = 'Nothing: the domain has no MTA-STS; a policy that is cached still counts until it expires.',
  ['record-several'] = 'Tell the owner of the domain to leave just one such TXT record; until then it counts as none.',
  ['record-syntax'] = 'Tell the owner of the domain; mtasts parse record shows what is wrong, and where.',
  -- fetching the policy
  ['https-held'] = 'Wait, or try at once with mtasts lookup --no-cache; the trace says what failed before.',
  ['https-address'] = 'Tell the owner of the domain: the name mta-sts.DOMAIN has a record missing in DNS.',
  ['https-forbidden'] = 'Tell the owner of the domain; only if the policy host is your own, in your own network, set allow_private.',
  ['https-connect'] = 'See whether this machine may connect to port 443 of others; if it may, the policy host is down.',
  ['https-deadline'] = 'See whether this machine reaches port 443 of others; if it does, the policy host is slow, and is tried again.',
  ['https-tls'] = 'Tell the owner of the domain: the policy host offers only what is too old, or no TLS at all.',
  ['https-cert-name'] = 'Tell the owner of the domain: the certificate must name mta-sts.DOMAIN in its list of names.',
  ['https-cert-expired'] = "See whether this machine's clock is right; if it is, the owner of the domain has to renew the certificate.",
  ['https-cert-untrusted'] = 'See whether the package ca-certificates is here and up to date (or what ca_file names); if so, the policy '
    .. 'host sends no full chain, or somebody is in between.',
  ['https-cert-invalid'] = 'Tell the owner of the domain; the detail says what OpenSSL finds wrong.',
  ['https-redirect'] = 'Tell the owner of the domain: the policy must lie on mta-sts.DOMAIN itself.',
  ['https-status'] = 'Tell the owner of the domain that /.well-known/mta-sts.txt is not served; the detail has the status.',
  ['https-type'] = 'Tell the owner of the domain that the policy must be served as text/plain.',
  ['https-size'] = 'Tell the owner of the domain: a policy has at most 64 KiB, and usually less than one.',
  ['https-protocol'] = 'Try it with curl: something on port 443 of the policy host speaks no HTTP, or breaks off.',
  -- the policy
  ['policy-syntax'] = 'Tell the owner of the domain; mtasts parse policy shows what is wrong, line by line.',
  ['policy-version'] = 'Tell the owner of the domain that the policy needs a line "version: STSv1".',
  ['policy-mode'] = 'Tell the owner of the domain that the policy needs a line with the mode none, testing or enforce.',
  ['policy-max-age'] = 'Tell the owner of the domain that the policy needs a max_age in seconds, up to 31557600.',
  ['policy-mx'] = 'Tell the owner of the domain that the policy needs a line "mx: HOST" for each mail host.',
  ['policy-size'] = 'Tell the owner of the domain: a policy has at most 64 KiB.',
  ['tlsrpt-syntax'] = 'Tell the owner of the domain, to whom no report can be sent until then; mtasts parse tlsrpt shows what is wrong.',
  -- reports that others send
  ['report-none'] = 'See whether the file or the mail is the right one: a report is JSON, that in gzip form, or a mail with such a part.',
  ['report-size'] = 'Nobody needs so large a report: see who sent it, and whether they mean well.',
  ['report-gzip'] = 'Fetch the mail or file again; if it is the same, tell the reporter that it arrives damaged.',
  ['report-syntax'] = 'Tell the reporter, whom contact-info or the mail names; mtasts report validate shows what is wrong, and where.',
  ['report-fields'] = 'See whether it is a TLS report at all; if it is, tell the reporter what mtasts report validate shows.',
  ['report-count'] = 'Tell the reporter: a count that is negative, broken or beyond all bounds would falsify every sum.',
  -- mail hosts
  ['mx-none'] = 'Nothing: the domain wants no mail, and the sender should learn so.',
  ['mx-unmatched'] = 'Compare the MX records with the policy: an attack, or a mistake of the owner, who must be told; a rule may make an '
    .. 'exception once you have asked them.',
  ['mx-address'] = 'Tell the owner of the domain that the name in the MX record has no address; other hosts are tried.',
  ['smtp-connect'] = 'See whether this machine may connect to port 25 of others, which many providers block; if it may, the host is down.',
  ['smtp-timeout'] = 'Wait: the host is slow or drops what comes from here; mail stays in the queue, and is tried again.',
  ['smtp-protocol'] = 'Look at the detail, and speak to port 25 by hand: the host refuses us, or something in between answers.',
  ['starttls-missing'] = 'If other domains have it too, something on your own way to port 25 strips STARTTLS; else tell the owner.',
  ['starttls-refused'] = 'Tell the owner of the host: mostly it has no certificate it could read; mail waits meanwhile.',
  ['starttls-injection'] = 'Take it for an attack until the owner of the host has explained it, and do not make an exception.',
  ['tls-handshake'] = 'Look at the detail: old TLS, no cipher in common, or something in between; '
    .. 'openssl s_client -starttls smtp shows more.',
  ['cert-name'] = 'Tell the owner of the host that its certificate lacks the name in the MX record; mtasts probe shows its names.',
  ['cert-expired'] = "See whether this machine's clock is right; if it is, the owner of the host has to renew the certificate.",
  ['cert-untrusted'] = 'See whether the package ca-certificates is here and up to date (or what ca_file names); if so, the host sends no '
    .. 'full chain, or its certificate is of its own making.',
  ['cert-invalid'] = 'Tell the owner of the host; the detail says what OpenSSL finds wrong.',
  ['tlsa-invalid'] = 'Tell the owner of the host that certificate and TLSA records differ, mostly after a renewal; mail waits meanwhile.',
  -- the store
  ['store-none'] = 'Look the domain up first; where the setting store is none there is nothing to ask for.',
  ['store-open'] = 'See whether the folder of the store is there, and whether the user of this program may write in it.',
  ['store-version'] = 'Let all programs on this machine be of the same, newest mtasts, and start the old ones anew.',
  ['store-damaged'] = 'Stop what uses the store, move the file and its -wal and -shm away, and start again: it is made anew.',
  ['store-full'] = 'Make room on the disk of the store; until then policies are kept in memory only.',
  ['store-busy'] = 'See which process holds the store, as a stopped one or a backup does; mail goes on without it.',
  ['store-io'] = "Look at the system's log for errors of the disk, and at the rights of the store's folder; mail goes on without it.",
  ['store-shared'] = 'See the log for what shared_store answers; policies go on without it, reports wait for it.',
}
