#!/usr/bin/env bash
# Makes development certificates: an own certification authority (ca.pem) and a server certificate
# (server.pem, server.key) signed by it, ECDSA P-256. Does nothing when good ones are there already.
# Not for production: bring certificates of your own there.
#
#   make-certs.sh DIR [NAME...]      NAME: a host name or IP address that clients connect to, besides
#                                    localhost, 127.0.0.1 and ::1
set -euo pipefail

usage="usage: make-certs.sh DIR [NAME...]"
dir=${1:?$usage}
shift
names=(localhost 127.0.0.1 ::1 "$@")

command -v openssl >/dev/null || {
    echo "make-certs: the openssl command is missing (apt-get install openssl)" >&2
    exit 1
}

# "DNS:localhost,IP:127.0.0.1,...", each name once.
alt_names() {
    local name kind seen=" " out=""
    for name in "${names[@]}"; do
        [[ -n $name && $seen != *" $name "* ]] || continue
        seen+="$name "
        kind=DNS
        [[ $name =~ ^[0-9.]+$ || $name == *:* ]] && kind=IP
        out+="${out:+,}$kind:$name"
    done
    echo "$out"
}

wanted=$(alt_names)

# Good: all three files there, made for the same names, valid for another week, signed by this CA.
certificates_are_good() {
    [[ -s $dir/ca.pem && -s $dir/server.pem && -s $dir/server.key ]] &&
        [[ -f $dir/names && $(<"$dir/names") == "$wanted" ]] &&
        openssl x509 -in "$dir/server.pem" -noout -checkend 604800 >/dev/null &&
        openssl verify -CAfile "$dir/ca.pem" "$dir/server.pem" >/dev/null 2>&1
}

if certificates_are_good; then
    echo "make-certs: the certificates in $dir are still good"
    exit 0
fi

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
umask 077
work=$(mktemp -d "$dir/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/openssl.cnf" <<END
[req]
distinguished_name = subject
prompt = no
[subject]
CN = Flotilla development
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $wanted
END

quietly() {
    "$@" >"$work/output" 2>&1 || {
        echo "make-certs: '$*' failed:" >&2
        cat "$work/output" >&2
        exit 1
    }
}

cd "$work"
quietly openssl ecparam -name prime256v1 -genkey -noout -out ca.key
quietly openssl req -x509 -new -config openssl.cnf -extensions ca -key ca.key -sha256 -days 3650 \
    -subj "/CN=Flotilla development CA" -out ca.pem
quietly openssl ecparam -name prime256v1 -genkey -noout -out server.key
quietly openssl req -new -config openssl.cnf -key server.key -subj "/CN=${names[0]}" -out server.csr
quietly openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial "0x1$(openssl rand -hex 15)" \
    -extfile openssl.cnf -extensions server -sha256 -days 825 -out server.pem
cd - >/dev/null

# The CA's key isn't kept, so that nobody can sign anything else with it. server.pem comes last, so that
# a process that waits for it finds a whole set.
chmod 644 "$work/ca.pem" "$work/server.pem"
echo "$wanted" >"$work/names"
for file in names ca.pem server.key server.pem; do
    mv -f "$work/$file" "$dir/$file"
done
echo "make-certs: made ca.pem, server.pem and server.key in $dir for $wanted"
