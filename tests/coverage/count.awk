# Reads what llvm-cov exports (-format=lcov) and writes the same without what does not count: files
# outside engine/ and actors/, and the branches of CHECK(...), both sides of it (docs/testing.md).
# With `missing` set: the lines of that file with a branch that was never taken, instead.
#
# A CHECK is a statement: what lies between its parentheses, over as many lines as it takes.

# Notes which lines of a source file are within a CHECK.
function read_source(path,    line, number, depth, at, rest, c) {
  delete checked
  delete text
  depth = 0
  number = 0
  while ((getline line < path) > 0) {
    number++
    text[number] = line
    at = 1
    if (depth == 0) {
      if (!match(line, /(^|[^A-Za-z_])CHECK\(/) || line ~ /^#define/) continue
      at = RSTART + RLENGTH - 1
    }
    checked[number] = 1
    rest = substr(line, at)
    while (match(rest, /[()]/)) {
      c = substr(rest, RSTART, 1)
      rest = substr(rest, RSTART + 1)
      if (c == "(") depth++
      else if (--depth == 0) break
    }
  }
  close(path)
}

/^SF:/ {
  path = substr($0, 4)
  name = path
  sub("^" root "/", "", name)
  wanted = name ~ /^(engine|actors)\// && (missing == "" || name == missing)
  if (!wanted) next
  read_source(path)
  file_branches = taken = file_lines = hit = 0
  if (missing == "") print "SF:" path
  next
}
!wanted { next }
/^BRDA:/ {
  split(substr($0, 6), field, ",")
  if (field[1] in checked) next
  file_branches++
  if (field[4] != "-" && field[4] + 0 > 0) taken++
  else if (missing != "") {
    side = field[3] % 2 == 0 ? "true" : "false"
    note[field[1]] = note[field[1]] " " (field[2] + 1) ":" side
  }
  if (missing == "") print
  next
}
/^DA:/ {
  split(substr($0, 4), field, ",")
  if (field[2] == 0 && missing != "" && !(field[1] in checked)) idle[field[1]] = 1
  file_lines++
  if (field[2] > 0) hit++
  if (missing == "") print
  next
}
/^end_of_record/ {
  if (missing != "") {
    for (i = 1; i in text; i++)
      if ((i in note) || (i in idle))
        printf "%5d %s %-28s %s\n", i, (i in idle) ? "-" : " ", note[i], text[i]
  } else {
    if (file_branches) printf "BRF:%d\nBRH:%d\n", file_branches, taken
    printf "LF:%d\nLH:%d\nend_of_record\n", file_lines, hit
  }
  next
}
/^(BRF|BRH|LF|LH):/ { next }
missing == "" { print }
