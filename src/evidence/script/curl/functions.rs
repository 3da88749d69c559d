//! The shell functions that a script calls.

/// What every script begins with: the programs that it needs, and how it sends.
pub(super) const REQUEST: &str = r#"
for program in curl jq; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 2; }
done
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT

# Sends a request and keeps the answer: URL ARGUMENT...
send() {
    : >"$folder/body"
    curl --disable --noproxy '*' --silent --show-error --globoff --output "$folder/body" --dump-header "$folder/head" \
        --cookie "$folder/cookies" --cookie-jar "$folder/cookies" \
        --write-out '%{http_code}\n%{url_effective}\n%{redirect_url}\n' "$@" >"$folder/came" || exit 3
    sed -n 1p "$folder/came" >"$folder/status"
}

# Ends with 3 unless the last answer has this status: NAME STATUS
answered() {
    printf '%s: %s\n' "$1" "$(cat "$folder/status")"
    case $(cat "$folder/status") in
    $2) ;;
    *)
        echo "$2 was expected; the answer is" >&2
        answer >&2
        exit 3
        ;;
    esac
}

# Sends a request, the answer to which has this status: NAME STATUS URL ARGUMENT...
request() (
    name=$1 expected=$2
    shift 2
    send "$@"
    answered "$name" "$expected"
)

# The last answer, without what a terminal would obey
answer() { LC_ALL=C tr -d '\000-\010\013-\037\177' <"$folder/body" | LC_ALL=C sed 's/^/  | /'; }
"#;

/// In the place of `send`, with `once` for the request itself: how redirects are followed. curl would keep a method that it is told.
pub(super) const FOLLOW: &str = r#"
# Sends a request, and follows so many redirects as `redirects` says: URL ARGUMENT...
send() {
    once "$@"
    shift
    : >"$folder/way"
    hops=$redirects
    while [ "$hops" -gt 0 ]; do
        next=$(sed -n 3p "$folder/came")
        [ -n "$next" ] || break
        case $(cat "$folder/status") in
        307 | 308) ;;
        301 | 302 | 303)
            # A GET without the body comes next.
            left=$#
            while [ "$left" -gt 0 ]; do
                case $1 in
                --head)
                    set -- "$@" "$1"
                    shift
                    left=$((left - 1))
                    continue
                    ;;
                --request | --data* | --form*) ;;
                *) case $2 in [Cc][Oo][Nn][Tt][Ee][Nn][Tt]-*) ;; *) set -- "$@" "$1" "$2" ;; esac ;;
                esac
                shift 2
                left=$((left - 2))
            done
            ;;
        *) break ;;
        esac
        # Another host is asked for the page alone.
        case $next in "$origin" | "$origin"[/?]*) ;; *) set -- ;; esac
        grep -i '^set-cookie:' "$folder/head" >>"$folder/way" || :
        once "$next" "$@"
        hops=$((hops - 1))
    done
    cat "$folder/head" >>"$folder/way"
    mv "$folder/way" "$folder/head"
}
"#;

/// Functions of the script, and the calls that need them.
pub(super) const FUNCTIONS: [(&[&str], &str); 12] = [
    (
        &["unclear "],
        r#"
# Ends where another answer came than the one that was seen, and says nothing of the bug: NAME STATUS
unclear() {
    echo "$1: $(cat "$folder/status") came in the place of $2, which does not say whether it still happens; the answer is" >&2
    answer >&2
    exit 3
}
"#,
    ),
    (
        &["retry "],
        r#"
# Sends a request again, with a pause of so many seconds, until its answer is ready. One of these statuses, or any other server
# error than those that are waited out, is the end: TIMES PAUSE STATUS FILTER END WAITED NAME EXPECTED URL ARGUMENT...
retry() (
    times=$1 pause=$2 wanted=$3 filter=$4 end=$5 waited=$6 name=$7 expected=$8
    shift 8
    is() { grep -Eqx -e "$1" "$folder/status"; }
    while
        send "$@"
        times=$((times - 1))
        [ "$times" -gt 0 ] && ! is "$end"
    do
        if is "$wanted"; then
            if [ -z "$filter" ] || jq -e "$filter" "$folder/body" >/dev/null 2>&1; then break; fi
        elif is '5..' && ! is "$waited"; then
            break
        fi
        sleep "$pause"
    done
    answered "$name" "$expected"
)
"#,
    ),
    (
        &["|| missing "],
        r#"
# Ends where a value cannot be taken out of an answer: NAME
missing() {
    echo "there is no $1 in the answer, which is" >&2
    answer >&2
    exit 3
}
"#,
    ),
    (
        &["$(value "],
        r#"
# A value of the last answer, as JSON: FILTER
value() { jq -c "$1" "$folder/body"; }
"#,
    ),
    (
        &["$(header ", "if header "],
        r#"
# A header of the last answer, as JSON: NAME
header() {
    tr -d '\r' <"$folder/head" | awk -v name="$1" -F ': *' 'tolower($1) == tolower(name) { sub(/^[^:]*: */, ""); print; exit }' |
        jq -R .
}
"#,
    ),
    (
        &[" | complete)"],
        r#"
# A link from the root of the host, where it is relative to the request that was answered; both as JSON
complete() {
    jq -c --arg url "$(sed -n 2p "$folder/came")" '($url | sub("^[^:]*://[^/?#]*"; "") | sub("[?#].*"; "")) as $path | sub("[#].*"; "") |
        if test("^(/|[A-Za-z][A-Za-z0-9+.-]*:|$)") then .
        elif startswith("?") then $path + .
        else ($path | sub("[^/]*$"; "")) + . end'
}
"#,
    ),
    (
        &["$(cookie "],
        r#"
# A cookie that the last answer set, as JSON: NAME
cookie() {
    tr -d '\r' <"$folder/head" | jq -Rrn --arg name "$1" 'first(inputs | capture("^set-cookie: *(?<name>[^=]+)=(?<value>[^;]*)"; "i") |
        select(.name == $name) | .value | tojson)'
}
"#,
    ),
    (
        &["$(body)", "$(body |"],
        r#"
# The body of the last answer, as JSON
body() { jq -Rs . "$folder/body"; }
"#,
    ),
    (
        &[" | matched "],
        r#"
# What a regular expression finds in a JSON value, as JSON: its first group, or all that it matches
matched() {
    jq -c --arg regex "$1" '(if type == "string" then . else tojson end) |
        first(match($regex) | if .captures[0].string then .captures[0].string else .string end)'
}
"#,
    ),
    (
        &["text \"$", "$(inside ", "$(query ", "$(path ", "$(link "],
        r#"
# A JSON value as text; within a JSON string, in a query, in a path, and in a URL with a query
text() { printf '%s' "$1" | jq -j 'if type == "string" then . else tojson end'; }
inside() { text "$1" | jq -sRr 'tojson[1:-1]'; }
query() { text "$1" | jq -sRr @uri; }
path() {
    text "$1" | jq -sRr --arg more "${2-}" 'gsub("%(?![0-9A-Fa-f]{2})"; "%25") | explode |
        map([.] | implode | if . == $more or test("^[!$-;=@-Z_a-z~\\[\\]]$") then . else @uri end) | join("")'
}
link() { path "$1" '?'; }
"#,
    ),
    (
        &["$(field "],
        r#"
# A header, also an empty one, which curl wants to be asked for: NAME VALUE
field() { case $2 in *[![:space:]]*) printf '%s: %s' "$1" "$2" ;; *) printf '%s;' "$1" ;; esac; }
"#,
    ),
    (
        &["$(string ", "$(scalar "],
        r#"
# A text as JSON; a number or a boolean where it looks like one
string() { jq -nc --arg text "$1" '$text'; }
scalar() { jq -nc --arg text "$1" '$text | try (fromjson | if type == "number" or type == "boolean" then . else $text end) catch $text'; }
"#,
    ),
];
