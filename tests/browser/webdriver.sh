# A browser, driven by what WebDriver says (W3C, https://www.w3.org/TR/webdriver2/): to be sourced.
#
#   driver_start FOLDER; driver_go URL; driver_run SCRIPT; driver_wait SECONDS CONDITION; driver_end
#
# Invariants
#   1. The browser reaches this machine and nothing else: no other name or number leads anywhere.
#   2. It has a profile of its own in FOLDER, and both processes end with driver_end.

browser=/usr/bin/chromium
driver=/usr/bin/chromedriver
driver_pid= driver_session=

# Why there is no browser to be driven; nothing if there is one.
driver_missing() {
  local program
  for program in $browser $driver curl; do
    command -v $program >/dev/null || { echo "it needs $program"; return; }
  done
}

# The text on standard input as the inside of a JSON string.
json_text() {
  awk 'BEGIN { ORS = "" } {
    gsub(/[\\"]/, "\\\\&"); gsub(/\t/, "\\t"); print between $0; between = "\\n" }'
}

# driver_ask METHOD PATH [BODY]: the value of the answer, as JSON; or 1, and what it says.
driver_ask() {
  local answer
  answer=$(curl -s --max-time 60 -X "$1" -H 'Content-Type: application/json' \
    ${3:+--data-binary @-} "$driver_url$2" <<<"${3:-}") || {
    echo "$driver does not answer" >&2
    return 1
  }
  answer=${answer#'{"value":'}
  case $answer in '{"error":'*) printf '%.600s\n' "$answer" >&2; return 1 ;; esac
  printf '%s\n' "${answer%\}}"
}

# Starts both. The port is one that the system finds.
driver_start() {
  local folder=$1 answer argument arguments=''
  $driver --port=0 --log-path="$folder/driver.log" >"$folder/driver.out" 2>&1 &
  driver_pid=$!
  await "$folder/driver.out" 'started successfully on port' || return 1
  driver_url=http://127.0.0.1:$(sed -n 's/.*successfully on port \([0-9]*\).*/\1/p' \
    "$folder/driver.out")
  for argument in --headless --disable-gpu --disable-quic --no-first-run --disable-sync \
    --disable-background-networking --disable-component-update --disable-dev-shm-usage \
    --user-data-dir="$folder/profile" '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
    --force-color-profile=srgb --hide-scrollbars; do
    arguments+=",\"$argument\""
  done
  [ "$(id -u)" -ne 0 ] || arguments+=',"--no-sandbox"'
  answer=$(driver_ask POST /session "{\"capabilities\": {\"alwaysMatch\": {
    \"goog:loggingPrefs\": {\"browser\": \"ALL\", \"performance\": \"ALL\"},
    \"goog:chromeOptions\": {\"binary\": \"$browser\", \"args\": [${arguments#,}]}}}}") || return 1
  driver_session=$(sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p' <<<"$answer")
  [ -n "$driver_session" ] || return 1
  driver_go about:blank && driver_requests >/dev/null # What the browser begins with is its own.
}

driver_end() {
  [ -z "$driver_session" ] || driver_ask DELETE "/session/$driver_session" >/dev/null || true
  if [ -n "$driver_pid" ]; then
    kill "$driver_pid" 2>/dev/null || true
    wait "$driver_pid" 2>/dev/null || true
  fi
  driver_session= driver_pid=
}

driver_go() { driver_ask POST "/session/$driver_session/url" "{\"url\": \"$1\"}" >/dev/null; }

# driver_run SCRIPT: runs the body of a function in the page; what it returns, a text or a number.
driver_run() {
  local value
  value=$(driver_ask POST "/session/$driver_session/execute/sync" \
    "{\"args\": [], \"script\": \"$(json_text <<<"$1")\"}") || return 1
  value=${value#\"}
  printf '%s\n' "${value%\"}"
}

# driver_wait SECONDS CONDITION: waits in the page until an expression holds; 1: it never did.
driver_wait() {
  local script value
  script="const done = arguments[0], until = Date.now() + $1 * 1000;
    (function look() {
      if ($2) done(true); else if (Date.now() > until) done(false); else setTimeout(look, 30);
    })();"
  value=$(driver_ask POST "/session/$driver_session/execute/async" \
    "{\"args\": [], \"script\": \"$(json_text <<<"$script")\"}") || return 1
  [ "$value" = true ]
}

# driver_devtools COMMAND PARAMETERS: a command of the browser's own protocol.
driver_devtools() {
  driver_ask POST "/session/$driver_session/goog/cdp/execute" "{\"cmd\": \"$1\", \"params\": $2}"
}

# driver_screen WIDTH light|dark: a screen so wide; below 600 it is a phone's.
driver_screen() {
  local phone=false scale=1
  [ "$1" -ge 600 ] || { phone=true scale=2; }
  driver_devtools Emulation.setDeviceMetricsOverride \
    "{\"width\": $1, \"height\": 844, \"deviceScaleFactor\": $scale, \"mobile\": $phone}" \
    >/dev/null &&
    driver_devtools Emulation.setEmulatedMedia "{\"features\": [
      {\"name\": \"prefers-color-scheme\", \"value\": \"$2\"}]}" >/dev/null
}

# driver_picture FILE: the whole page as it looks now.
driver_picture() {
  driver_devtools Page.captureScreenshot '{"captureBeyondViewport": true}' |
    sed 's/^{"data":"//; s/".*//' | base64 -d >"$1"
  [ "$(head -c 4 "$1" | tail -c 3)" = PNG ]
}

# What stands in the console since the last call, a line each, and what was asked for.
driver_console() {
  driver_ask POST "/session/$driver_session/se/log" '{"type": "browser"}' |
    grep -o '"message":"\([^"\\]\|\\.\)*"' || true
}
driver_requests() {
  driver_ask POST "/session/$driver_session/se/log" '{"type": "performance"}' |
    sed 's/},{"level"/\n/g' | grep Network.requestWillBeSent | grep -o '"url\\":\\"[^"\]*' |
    sed 's/.*"//' || true
}
