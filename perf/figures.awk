# Reads what the benches wrote with --json, one object a line, and prints a line of TAB-separated
# columns for each: bench figure rows peers threads value unit ratio cpu_ratio written_per_row
# wire_per_row p50 p99 p999 ratio_to n. "-" stands where a member is absent.

function member(name,    at, rest) {
    at = index($0, "\"" name "\":")
    if (at == 0) return "-"
    rest = substr($0, at + length(name) + 3)
    if (substr(rest, 1, 1) == "\"") {
        rest = substr(rest, 2)
        return substr(rest, 1, index(rest, "\"") - 1)
    }
    match(rest, /^[^,}]*/)
    return substr(rest, 1, RLENGTH)
}

/^\{/ {
    count = split("bench figure rows peers threads value unit ratio cpu_ratio written_per_row " \
        "wire_per_row p50 p99 p999 ratio_to n", names, " ")
    line = ""
    for (i = 1; i <= count; i++) line = line (i > 1 ? "\t" : "") member(names[i])
    print line
}
