# The rules that are checked on text. Read by tests/tidy/tidy; one pass over every file.
#
# A line is seen twice: as written, and as `code`, its comments, strings and characters blanked.
# The source is formatted (./dev format), so a function opens with a line that begins at the margin
# and closes with a brace at the margin.
# With only_size set, only lengths are checked (scripts).

function report(line, rule, why) { print FILENAME ":" line ": " rule ": " why }

# Blanks comments and literals; remembers in `in_comment` whether one goes on.
function strip(text,    out, i, n, c, two) {
    out = ""
    n = length(text)
    for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        two = substr(text, i, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; i++ }
        } else if (two == "/*") {
            in_comment = 1; i++
        } else if (two == "//") {
            break
        } else if (c == "\"" || c == "'") {
            for (i++; i <= n && substr(text, i, 1) != c; i++)
                if (substr(text, i, 1) == "\\") i++
            out = out c c
        } else
            out = out c
    }
    return out
}

# The number of characters of a UTF-8 line, whatever the locale.
function columns(text) { gsub(/[\200-\277]/, "", text); return length(text) }

# The layer of a file. A file includes its own layer or an earlier one.
function layer(path) {
    if (path ~ /^(engine\/)?weft(_[a-z]+)?[.]h$/) return 0
    if (path ~ /^engine\/base\//) return 1
    if (path ~ /^engine\/crdt\//) return 2
    if (path ~ /^proto\//) return 3
    if (path ~ /^engine\/wire\//) return 4
    if (path ~ /^engine\/runtime\/topology[a-z_]*\.c/) return 8
    if (path ~ /^engine\/runtime\/runner/) return 9
    if (path ~ /^engine\/runtime\//) return 5
    if (path ~ /^engine\/store\//) return 6
    if (path ~ /^actors\//) return 7
    if (path ~ /^engine\/net\//) return 9
    if (path ~ /^engine\//) return 10
    if (path ~ /^(demo|cli|perf|tests|docs)\//) return 11
    return -1
}

# Calls that are not made, where, and why.
function ban(where, names, why,    list, n, i) {
    n = split(names, list, " ")
    for (i = 1; i <= n; i++) {
        bans++
        ban_where[bans] = where
        ban_name[bans] = list[i]
        ban_why[bans] = why
    }
}

function ban_all(    library, actors, any, pure) {
    library = "^(engine|actors)/"
    actors = "^actors/"
    any = "."
    pure = "^(engine/(base|crdt|wire|store)|actors)/"
    ban(any, "sprintf vsprintf strcpy strcat gets strncpy strncat stpcpy", \
        "it cannot be told how much room there is; use snprintf or memcpy with a size")
    ban(any, "sleep usleep nanosleep clock_nanosleep", \
        "time is no condition; wait for what must become true")
    ban(any, "atoi atol atoll", "it cannot say that the text is no number; use strtoll")
    ban(any, "alloca strtok tmpnam mktemp", "there is a safe way to do the same")
    ban(library, "printf fprintf vprintf vfprintf puts fputs putchar perror syslog", \
        "the library never writes to a stream; return a status or an event")
    ban(library, "rand srand random srandom drand48 getrandom", \
        "randomness comes through the entropy port")
    ban(library, "assert", "use CHECK, which stays on in release builds")
    ban(library, "exit _exit", "a library never ends its host's process")
    ban(library, "localtime gmtime strerror getenv setenv setlocale", \
        "it reads or writes state of the whole process")
    ban(pure, "time gettimeofday clock_gettime timespec_get", \
        "time comes as `now` or through the time port")
    ban(pure, "randombytes_buf randombytes_random randombytes_uniform", \
        "randomness comes through the entropy port")
    ban(actors, "socket connect accept recv send poll epoll_wait select", \
        "an actor reaches the net through its port")
    ban(actors, "pthread_create pthread_mutex_lock pthread_cond_wait", \
        "an actor knows nothing of threads")
    ban("^tests/", "skip", "a test that does not run cannot fail")
}

# The one place where a banned call is right.
function allowed(name) {
    return (FILENAME ~ /^engine\/net\/(entropy|posix)/ && name == "getrandom") || \
           (FILENAME ~ /^engine\/base\/check\.c/ && name == "fprintf")
}

BEGIN { ban_all() }

FNR == 1 { open_file() }

function open_file() {
    if (previous != "") close_file()
    previous = FILENAME
    in_comment = 0
    function_line = 0
    function_name = ""
    mine = layer(FILENAME)
    guard = ""
    guarded = 0
    paragraph_documented = 0
    blank = 1
    # The README explains the examples.
    if (!only_size && FILENAME !~ /^docs\// && $0 !~ /^\/\*/)
        report(1, "opening", "the file does not open with a comment that says what it is")
}

function close_file() {
    if (lines > 600)
        print previous ":" lines ": file-length: " lines " lines, 600 are allowed; " \
              "split it by responsibility"
    if (!only_size && previous ~ /\.h$/ && guarded < 2)
        print previous ":1: guard: the header has no include guard"
}

END { if (previous != "") close_file() }

{
    lines = FNR
    if (columns($0) > 100)
        report(FNR, "line-length", columns($0) " columns, 100 are allowed")
}

only_size { next }

{
    was_comment = in_comment
    code = strip($0)
    check_words()
    check_documented()
    if (FILENAME ~ /\.h$/) check_guard()
    if (code ~ /^#[ \t]*include/) check_include($0)
    else if (code !~ /^[ \t]*$/) check_code()
}

function check_words() {
    if ($0 ~ /(^|[^A-Za-z_])(TODO|FIXME|XXX|HACK)([^A-Za-z_]|$)/)
        report(FNR, "left-undone", "do it, or write down as an issue that it is to be done")
}

# Every public function stands in a paragraph that opens with a comment.
function check_documented() {
    if (FILENAME !~ /^engine\/weft(_[a-z]+)?[.]h$/) return
    if ($0 ~ /^[ \t]*$/) { blank = 1; return }
    if (blank) paragraph_documented = ($0 ~ /^\/\*/ && $0 !~ /^\/\* ----/)
    blank = 0
    if (code ~ /^WEFT_API / && !paragraph_documented)
        report(FNR, "undocumented", "no comment stands above this public function")
}

function check_guard() {
    if (guarded == 0 && code ~ /^#ifndef [A-Z0-9_]+$/) { guard = $2; guarded = 1 }
    else if (guarded == 1 && code ~ /^#define / && $2 == guard) guarded = 2
}

function check_include(text,    path, other) {
    path = text
    sub(/^#[ \t]*include[ \t]*["<]/, "", path)
    sub(/[">].*$/, "", path)
    if (path ~ /^ck_/ && FILENAME !~ /^(engine\/runtime\/ring|perf\/bench_ring)\.c$/)
        report(FNR, "layer", "only engine/runtime/ring.c, and its bench, include ck")
    if (FILENAME ~ /^actors\// && path ~ /^(time|pthread|sys\/(socket|time|epoll|eventfd))\.h$/)
        report(FNR, "layer", "an actor reads no clock, no socket and knows no thread")
    if (FILENAME ~ /^(actors|engine\/store)\// && path ~ /^engine\/runtime\/(topology|runner)/) {
        report(FNR, "layer", "what an actor does must not depend on how it is wired or run")
        return
    }
    if (text !~ /"/ || mine < 0) return
    other = layer(path)
    if (other < 0) {
        if (mine < 11)
            report(FNR, "layer", "\"" path "\" is not a path from the root into a known layer")
        return
    }
    if (other > mine) report(FNR, "layer", "\"" path "\" belongs to a later layer")
    if (FILENAME ~ /^actors\// && path ~ /^actors\// && family(path) != family(FILENAME))
        report(FNR, "layer", "actors never include one another")
}

# log_member.c and log_private.h are of the family log.
function family(path) {
    sub(/^.*\//, "", path)
    sub(/[_.].*$/, "", path)
    return path
}

function check_code(    i) {
    if (code ~ /^typedef[ \t]+(struct|union)/ && FILENAME !~ /^engine\/weft(_[a-z]+)?[.]h$/)
        report(FNR, "typedef", "structs go by their tag")
    if (code ~ /assert_true\((true|1)\)/)
        report(FNR, "cannot-fail", "this assertion holds whatever the code does")
    check_function()
    for (i = 1; i <= bans; i++) {
        if (index(code, ban_name[i] "(") == 0 || FILENAME !~ ban_where[i]) continue
        if (code ~ ("(^|[^A-Za-z0-9_.>])" ban_name[i] "\\(") && !allowed(ban_name[i]))
            report(FNR, "banned", ban_name[i] "(): " ban_why[i])
    }
    if (FILENAME !~ /^(engine|actors)\//) return
    if (code ~ /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/)
        report(FNR, "banned", "the library never writes to a stream")
    if (FILENAME ~ /^actors\// && code ~ /(^|[^A-Za-z0-9_.>])(m|c|re)alloc\(/ && \
        function_name !~ /(^|_)(start|new|add|grow)(_|$)/)
        report(FNR, "banned", "a step takes memory from arenas; what must be allocated is, " \
               "in a function named start, new, add or grow")
}

# A definition begins at the margin and its body ends with a lone brace at the margin.
function check_function() {
    if (code ~ /^[A-Za-z_]/ && function_line == 0) {
        function_line = FNR
        function_name = code
        is_function = 0
    }
    if (function_line && !is_function) {
        if (code ~ /\(/) {
            is_named = function_name
            sub(/\(.*$/, "", is_named)
            sub(/^.*[ *]/, "", is_named)
        }
        if (code ~ /\)[ \t]*\{[ \t]*$/) { is_function = 1; function_name = is_named }
        else if (code ~ /[;}][ \t]*$/ || code ~ /\{/) {
            function_line = 0
            if (code ~ /\{[^}]*$/ && code !~ /;[ \t]*$/) function_line = -1
        }
    }
    if (code ~ /^\}/) {
        if (is_function && function_line > 0 && FNR - function_line + 1 > 70)
            report(function_line, "function-length", \
                   function_name "() has " (FNR - function_line + 1) " lines, 70 are allowed")
        function_line = 0
        function_name = ""
        is_function = 0
    }
}
