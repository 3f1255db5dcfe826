#!/bin/sh
# Makes the passwords and tokens of the compose project on its first start and prints those that people need, once.
# SECRETS, USERS (of ClickHouse) and DATA name the folders; each file is readable by its one user. Run again, it changes nothing that is there.
set -eu
secrets=${SECRETS:-/secrets} users=${USERS:-/users} data=${DATA:-/data}
umask 022
random() { head -c 24 /dev/urandom | base64 | tr -d '+/=\n' | head -c 28; }
sha256() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
own() { if [ "$(id -u)" = 0 ]; then chown "$1" "$2"; fi; }

# The volumes are empty and root's on the first start.
for folder in "$data/bridgewatch" "$data/nats"; do
  mkdir -p "$folder"
  own 65532:65532 "$folder"
done
if [ -e "$secrets/.made" ]; then
  echo "passwords exist; they were shown on the first start"
  exit 0
fi

secret() { # secret NAME OWNER TEXT
  write "$secrets/$1" "$2" "$3"
}
write() {
  printf '%s\n' "$3" > "$1"
  chmod 0400 "$1"
  own "$2" "$1"
}
bridgewatch=65532:65532 clickhouse=101:101 grafana=472:0
nats_password=$(random) writer_password=$(random) reader_password=$(random) grafana_password=$(random) token=$(random)

secret nats $bridgewatch "$nats_password"
secret nats-auth.conf $bridgewatch "authorization { users: [ { user: bridgewatch, password: \"$nats_password\" } ] }"
secret clickhouse $bridgewatch "$writer_password"
secret bridges $bridgewatch "$(random)"
secret cdr_token $bridgewatch "$token"
for bridge in emea-cb1 emea-cb2 emea-cb3; do
  secret "cdr_$bridge" $bridgewatch "$token-$bridge"
done
secret grafana_admin $grafana "$grafana_password"
secret grafana_clickhouse $grafana "$reader_password"
write "$users/bridgewatch.xml" $clickhouse "<clickhouse>
  <profiles>
    <reader>
      <readonly>2</readonly>
      <max_memory_usage>2000000000</max_memory_usage>
      <max_execution_time>60</max_execution_time>
      <constraints>
        <max_memory_usage><min>1</min><max>2000000000</max></max_memory_usage>
        <max_execution_time><min>1</min><max>60</max></max_execution_time>
      </constraints>
    </reader>
  </profiles>
  <users>
    <default remove=\"remove\"/>
    <bridgewatch>
      <password_sha256_hex>$(sha256 "$writer_password")</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </bridgewatch>
    <grafana>
      <password_sha256_hex>$(sha256 "$reader_password")</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>reader</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON bridgewatch.*</query></grants>
    </grafana>
  </users>
</clickhouse>"
: > "$secrets/.made"
cat <<TEXT
Made on this first start, and not shown again:

  Grafana     http://127.0.0.1:3000  admin / $grafana_password
  ClickHouse  user bridgewatch       $writer_password
  ClickHouse  user grafana           $reader_password  (read-only)

They lie in the volume "secrets".
TEXT
