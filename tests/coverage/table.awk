# Reads what count.awk writes and prints lines and branches of each file, those with the most
# branches missing first, then the modules that have a target of their own, then all. Fails when a
# target is not reached, unless `gate` is 0.
function percent(part, whole) { return whole ? 100 * part / whole : 100 }
function row(name, l, lh, b, bh, note) {
  printf "%-38s %6d %6.1f %%  %6d %6.1f %% %6d  %s\n", name, l, percent(lh, l), b,
    percent(bh, b), b - bh, note
}
# Rounded down: 99.97 % is not 100 %.
function verdict(target, b, bh) {
  if (bh * 100 >= target * b) return "target " target " %: reached"
  missed++
  return "target " target " %: MISSED"
}

BEGIN {
  module["engine/crdt/hlc"] = "hlc"
  module["engine/crdt/vector"] = "vector"
  module["engine/crdt/merge"] = module["engine/store/rowclock"] = "merge"
  module["engine/store/shared_row"] = module["engine/store/shared_row_apply"] = "merge"
  module["engine/store/shared_row_load"] = module["engine/store/shared_row_own"] = "merge"
  module["engine/store/shared_row_place"] = module["engine/store/shared_row_private"] = "merge"
  module["engine/wire/codec"] = "codec"
  module["actors/prune"] = module["actors/log_prune"] = "prune"
  module["engine/store/horizon"] = module["engine/store/deleted"] = "prune"
  modules = split("hlc vector merge codec prune", order, " ")
  printf "%-38s %6s %8s  %6s %8s %6s\n", "file", "lines", "", "taken", "", "missing"
}
/^SF:/ { path = substr($0, 4); sub("^" root "/", "", path); b = bh = 0 }
/^BRF:/ { b = substr($0, 5) }
/^BRH:/ { bh = substr($0, 5) }
/^LF:/ { l = substr($0, 4) }
/^LH:/ { lh = substr($0, 4) }
/^end_of_record/ {
  count++
  files[count] = path; fl[count] = l; flh[count] = lh; fb[count] = b; fbh[count] = bh
  al += l; alh += lh; ab += b; abh += bh
  base = path
  sub(/\.[ch]$/, "", base)
  if (base in module) {
    m = module[base]
    ml[m] += l; mlh[m] += lh; mb[m] += b; mbh[m] += bh
  }
}
END {
  for (i = 1; i <= count; i++) {
    worst = 0
    for (j = 1; j <= count; j++)
      if (!(j in shown) && (!worst || fb[j] - fbh[j] > fb[worst] - fbh[worst])) worst = j
    shown[worst] = 1
    row(files[worst], fl[worst], flh[worst], fb[worst], fbh[worst], "")
  }
  print ""
  for (i = 1; i <= modules; i++) {
    m = order[i]
    row(m, ml[m], mlh[m], mb[m], mbh[m], verdict(100, mb[m], mbh[m]))
  }
  row("engine/ and actors/", al, alh, ab, abh, verdict(90, ab, abh))
  exit gate && missed > 0
}
