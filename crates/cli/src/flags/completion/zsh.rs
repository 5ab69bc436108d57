//! The script for Z shell.

use std::fmt::Write as _;

use super::{Stop, identifier, offered, quoted, spellings};

/// The whole script.
pub(super) fn script(program: &str, others: &[String], stops: &[Stop]) -> String {
    let name = identifier(program);
    let described = |name: &str, about: &str| {
        quoted(&format!("{}:{}", name.replace(':', "\\:"), about.lines().next().unwrap_or_default()))
    };
    let mut cases = String::new();
    for Stop { paths, command } in stops {
        let pattern = paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join("|");
        let commands: Vec<String> = command.commands.iter().map(|(name, about)| described(name, about)).collect();
        let flags = command.flags.iter();
        let mut flags: Vec<String> = flags
            .flat_map(|flag| spellings(flag).into_iter().map(|spelling| described(&spelling, flag.help)))
            .collect();
        flags.push(described("--help", "Print usage"));
        let (kind, words) = offered(command.complete);
        writeln!(
            cases,
            "    {pattern}) commands=({}) flags=({}) valued=({}) values=({}) kind={kind} choices=({words}) first={} ;;",
            commands.join(" "),
            flags.join(" "),
            command.valued_words(),
            command.values().iter().map(|line| quoted(line)).collect::<Vec<_>>().join(" "),
            if command.is_interspersed { "''" } else { "yes" },
        )
        .expect("a string accepts every write");
    }
    let others: String = others.iter().flat_map(|other| [" ", other]).collect();
    let body = BODY.replace("@CASES@", &cases).replace("@NAME@", &name);
    body.replace("@PROGRAM@", program).replace("@OTHERS@", &others)
}

const BODY: &str = r#"#compdef @PROGRAM@@OTHERS@
# Completion of @PROGRAM@ for zsh. Load it with: source <(@PROGRAM@ completion zsh)

# What can stand at a place in the tree of commands; fails if there is no such place.
_@NAME@_at() {
    case "$1" in
@CASES@    *) return 1 ;;
    esac
}

_@NAME@() {
    local -a commands flags valued values choices offered
    local kind first place='' value='' dash='' word program=@PROGRAM@ line
    local -i count=0
    _@NAME@_at ''
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $value ]]; then
            value=''
        elif [[ -z $dash && $word == -- ]]; then
            dash=yes
        elif [[ -z $dash && $word == -?* ]] && ! [[ -n $first && $count -gt 0 ]]; then
            (( ${valued[(Ie)$word]} )) && value=$word
        elif [[ $count -eq 0 ]] && _@NAME@_at "$place $word"; then
            place="$place $word"
        else
            (( count += 1 ))
        fi
    done
    # Another name may be an alias, which no script can call.
    [[ $words[1] == */* ]] && program=$words[1]
    if [[ -z $value && -z $dash && $PREFIX == --*=* ]] && ! [[ -n $first && $count -gt 0 ]]; then
        value=${PREFIX%%=*}
        compset -P '*='
    fi
    if [[ -n $value ]]; then
        kind=files
        for line in "${values[@]}"; do
            offered=(${=line})
            [[ $offered[1] == $value ]] && kind=$offered[2] choices=(${offered[3,-1]})
        done
    elif [[ -n $first && $count -gt 0 ]]; then
        kind=files
    elif [[ -z $dash && $PREFIX == -* ]]; then
        _describe -o option flags
        return
    elif (( ${#commands} )) && [[ $kind == nothing || $count -eq 0 ]]; then
        _describe command commands
        [[ $kind == nothing ]] && return
    fi
    case "$kind" in
    words) compadd -a choices ;;
    files) _files ;;
    places)
        choices=(${(f)"$(_call_program names ${(q)program} __complete $kind ${(q)PREFIX} 2>/dev/null)"})
        compadd -S '' -a choices
        _files
        ;;
    images|containers|volumes|networks|everything)
        choices=(${(f)"$(_call_program names ${(q)program} __complete $kind ${(q)PREFIX} 2>/dev/null)"})
        compadd -a choices
        ;;
    esac
}

if [[ $funcstack[1] == _@NAME@ ]]; then
    _@NAME@ "$@"
else
    compdef _@NAME@ @PROGRAM@@OTHERS@
fi
"#;
