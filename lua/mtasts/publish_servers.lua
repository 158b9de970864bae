-- SPDX-License-Identifier: ISC
-- Web servers that serve the policy and nothing else: no redirect, no other type, no other page.

local servers = {
  names = { 'nginx', 'caddy', 'apache' },
  titles = { nginx = 'nginx', caddy = 'Caddy (it fetches the certificate by itself)', apache = 'Apache (with its modules ssl and alias)' },
  files = { nginx = 'nginx.conf', caddy = 'Caddyfile', apache = 'apache.conf' },
}

local made = {}

function made.nginx(host, root)
  return ([[
server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name HOST;
    ssl_certificate /etc/letsencrypt/live/HOST/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/HOST/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    root ROOT;

    location = /.well-known/mta-sts.txt {
        types { }
        default_type text/plain;
    }
    location / {
        return 404;
    }
}
]]):gsub('HOST', host):gsub('ROOT', root)
end

function made.caddy(host, root)
  return ([[
HOST {
    root * ROOT
    @policy path /.well-known/mta-sts.txt
    handle @policy {
        header Content-Type text/plain
        file_server
    }
    handle {
        respond 404
    }
}
]]):gsub('HOST', host):gsub('ROOT', root)
end

function made.apache(host, root)
  return ([[
<VirtualHost *:443>
    ServerName HOST
    DocumentRoot ROOT
    SSLEngine on
    SSLCertificateFile /etc/letsencrypt/live/HOST/fullchain.pem
    SSLCertificateKeyFile /etc/letsencrypt/live/HOST/privkey.pem
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    RedirectMatch 404 "^/(?!\.well-known/mta-sts\.txt$)"
    <Directory ROOT>
        Options None
        AllowOverride None
        Require all granted
    </Directory>
    <Location /.well-known/mta-sts.txt>
        ForceType text/plain
    </Location>
</VirtualHost>
]]):gsub('HOST', host):gsub('ROOT', root)
end

-- root: the folder that is served, from '/' on. These names stand in configurations that read some characters in their own way.
function servers.snippet(name, domain, root)
  local host = 'mta-sts.' .. domain
  if not root or root:find '[^%w/._+@=,-]' then root = '/var/www/' .. host end
  return (made[name](host, root))
end

-- 'nginx', 'all', 'none' -> names
function servers.chosen(word)
  if word == 'all' then return servers.names end
  return word == 'none' and {} or { word }
end

return servers
