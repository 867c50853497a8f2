# bash completion for weir(1)

_weir() {
    local cur prev words cword
    if declare -F _init_completion >/dev/null; then
        _init_completion || return
    else
        cur=${COMP_WORDS[COMP_CWORD]}
        prev=${COMP_WORDS[COMP_CWORD - 1]}
        words=("${COMP_WORDS[@]}")
        cword=$COMP_CWORD
    fi

    local commands='get serve echo ping demo sim bench run sysctl drill errno'
    if [ "$cword" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi

    case $prev in
    --ip)
        mapfile -t COMPREPLY < <(compgen -W 'ipv4 ipv6 ipv4-mapped-ipv6 all' -- "$cur")
        return
        ;;
    --dev)
        local names
        names=$(ls /sys/class/net 2>/dev/null)
        mapfile -t COMPREPLY < <(compgen -W "pair $(printf 'packet:%s tap:%s ' $names $names)" -- "$cur")
        return
        ;;
    --output | --pcap | -o | --load | -p | --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    esac

    local network='--dev --addr --gateway --mac --no-dad --pcap --stats'
    local options
    case ${words[1]} in
    get) options="$network --output --quiet" ;;
    serve) options="$network --port --verbose" ;;
    echo) options="$network --port" ;;
    ping) options="$network --count --size --interval --wait" ;;
    demo) options='--ladder --pair --size --packet --pcap --columns --ascii' ;;
    sim) options='--seed --seeds --hash --pcap --verbose' ;;
    bench) options='' ;;
    run) options='--net --socket --pcap' ;;
    sysctl) options='--all --load --values --json' ;;
    drill) options='--kernel --allow-shell --ip --wrap --iss --peer-iss --exact --define --option
        --parse --verbose --tap' ;;
    errno) options='--list --markdown' ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$cur")
    elif [ "${words[1]}" = serve ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    elif [ "${words[1]}" = run ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    elif [ "${words[1]}" = sysctl ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(weir sysctl -a 2>/dev/null | cut -d' ' -f1)" -- "$cur")
    elif [ "${words[1]}" = drill ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [ "${words[1]}" = errno ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(weir errno -l 2>/dev/null | cut -d' ' -f1)" -- "$cur")
    fi
}

complete -F _weir weir
