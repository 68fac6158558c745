# Completion of the command weft for bash.

_weft() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="init invite join members revoke peers status log why verify serve bench"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help" -- "$word")
    return
  fi
  case $before in
    --schema | --http-token) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --listen | --address | --connect | --http | --name | --minutes | --last | --rows) return ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$word"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word"); return ;;
  esac
  if [[ $word != -* ]]; then
    if [ "${COMP_WORDS[1]}" = revoke ] && [ "$COMP_CWORD" -eq 3 ]; then
      # Ids and names of the members of this library.
      mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" members "${COMP_WORDS[2]}" \
        --json 2>/dev/null | grep -o '"device":"[^"]*"' | cut -d '"' -f 4)" -- "$word")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
    return
  fi
  local options=--help
  case ${COMP_WORDS[1]} in
    init) options+=" --schema --name" ;;
    invite) options+=" --listen --address --minutes --confirm --no-qr --json" ;;
    join) options+=" --schema --name --minutes --json" ;;
    members | why | verify) options+=" --json" ;;
    status) options+=" --watch --json" ;;
    log | peers) options+=" --last --json" ;;
    serve) options+=" --listen --connect --http --http-token --schema --log --log-level" ;;
    bench) options+=" --rows --dir --json" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}

complete -o filenames -F _weft weft
