#!/bin/sh
# Create every secret that docker-compose.yml names: deploy/make-secrets.sh FOLDER HOSTNAME
#
# FOLDER must not exist; it is created with mode 0700, which keeps other users of this machine out. The files in it are
# readable by all, because a container reads them as a user of its own and Compose cannot change their owner.
# HOSTNAME is the name under which people and gateways reach this installation. Needs openssl, nothing else.
#
# Never overwrites anything. The certificate of the ingress is signed by an authority created here: replace
# ingress.pem, ingress_key.pem and ingress_ca.pem by those of an authority that browsers know.
set -eu
umask 077

[ $# -eq 2 ] || { echo "usage: $0 FOLDER HOSTNAME" >&2; exit 64; }
folder=$1
host=$2
[ ! -e "$folder" ] || { echo "$0: $folder exists already; nothing was changed" >&2; exit 73; }
printf '%s\n' "$host" | grep -Eqx '([A-Za-z0-9-]+\.)*[A-Za-z][A-Za-z0-9-]*' || { echo "$0: not a host name: $host" >&2; exit 64; }
command -v openssl >/dev/null || { echo "$0: install openssl first" >&2; exit 69; }
mkdir -p "$folder/authority"
cd "$folder"

password() { openssl rand -hex 32 >"$1"; }
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# authority NAME: a certificate authority for ten years, whose key stays in authority/.
authority() {
    key "authority/$1_key.pem"
    openssl req -x509 -new -key "authority/$1_key.pem" -days 3650 -subj "/O=SafeSignal/CN=$1" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$1.pem"
}

# certificate AUTHORITY NAME COMMON-NAME USE [ALTERNATIVE-NAMES]: a key and a certificate for three years.
certificate() {
    key "$2_key.pem"
    openssl req -new -key "$2_key.pem" -subj "/CN=$3" -out "$2.csr"
    {
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$4"
        [ -z "${5:-}" ] || printf 'subjectAltName=%s\n' "$5"
    } >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "authority/$1_key.pem" -CAcreateserial -CAserial "authority/$1.srl" \
        -days 1095 -extfile "$2.ext" -out "$2.pem" 2>/dev/null
    rm "$2.csr" "$2.ext"
}

gateway_id=$(openssl rand -hex 16 | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/\1-\2-4\3-8\4-\5/')

for name in postgres_superuser postgres_owner postgres_app postgres_system valkey cache rabbitmq minio_root; do
    password "${name}_password"
done
password django_secret_key
password sealing_key
echo "${SAFESIGNAL_EMAIL_URL:-smtp://localhost:25}" >email_url
echo safesignal >minio_root_user
printf 'default_user = safesignal\ndefault_pass = %s\ndefault_vhost = safesignal\n' "$(cat rabbitmq_password)" >rabbitmq_login.conf

for name in config audit gateway; do
    key "${name}_key.pem"
done
mkdir token_keys
key "token_keys/$(date -u +%Y%m%dT%H%M%SZ).pem"  # named for the moment from which it signs
openssl pkey -in config_key.pem -pubout -out config_public.pem
openssl pkey -in audit_key.pem -pubout -out audit_public.pem
openssl pkey -in gateway_key.pem -pubout -out gateway_public.pem

authority mqtt_ca
certificate mqtt_ca mqtt_server mosquitto serverAuth "DNS:mosquitto,DNS:localhost,DNS:$host"
certificate mqtt_ca mqtt_gateway "gateway-$gateway_id" clientAuth
certificate mqtt_ca mqtt_health health clientAuth
authority ingress_ca
certificate ingress_ca ingress "$host" serverAuth "DNS:$host"

find . token_keys -maxdepth 1 -type f -exec chmod 0444 {} +
chmod 0755 token_keys
cat >compose.env <<END
SAFESIGNAL_SECRETS_DIR=$(pwd)
SAFESIGNAL_HOSTNAME=$host
SAFESIGNAL_BASE_URL=https://$host:8443
SAFESIGNAL_EDGE_GATEWAY_ID=$gateway_id
END
echo "Made $(pwd). Keep the folder authority/ offline, and audit_public.pem where nobody who runs this can change it."
echo "Write the address of your mail server into email_url. Start with:"
echo "  docker compose --env-file $(pwd)/compose.env up --build --wait"
