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

    local commands='get serve echo ping demo sim bench run sysctl drill errno ss netstat lsof nstat sar top tcpview dump trace
        traceroute mtr pathping dig nslookup explain help'
    if [ "$cword" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi

    local states='established syn-sent syn-recv fin-wait-1 fin-wait-2 time-wait close-wait last-ack
        closing listening closed all connected synchronized bucket big'
    case $prev in
    --lang)
        mapfile -t COMPREPLY < <(compgen -W 'en zh' -- "$cur")
        return
        ;;
    --pmtu)
        mapfile -t COMPREPLY < <(compgen -W 'do want dont' -- "$cur")
        return
        ;;
    --ip)
        mapfile -t COMPREPLY < <(compgen -W 'ipv4 ipv6 ipv4-mapped-ipv6 all' -- "$cur")
        return
        ;;
    --dev)
        local names name
        names=$(ls /sys/class/net 2>/dev/null)
        mapfile -t COMPREPLY < <(compgen -W "pair $(for name in $names; do echo "packet:$name tap:$name xdp:$name"; done)" -- "$cur")
        return
        ;;
    --net)
        mapfile -t COMPREPLY < <(compgen -W "$(ls /run/weir 2>/dev/null | sed 's/\.socket$//')" -- "$cur")
        return
        ;;
    --netns)
        mapfile -t COMPREPLY < <(compgen -W "all $(ls /run/netns 2>/dev/null)" -- "$cur")
        return
        ;;
    state | exclude)
        mapfile -t COMPREPLY < <(compgen -W "$states" -- "$cur")
        return
        ;;
    --output | --pcap | --load | --socket | --ctl | --svg | --xpl | --html | -r | -w)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    esac

    local network='--dev --addr --gateway --mac --no-dad --pcap --stats --ctl'
    local options
    local look='--stack --kernel --net --socket --netns --json'
    local sockets='--tcp --udp --all --listening --numeric'
    case ${words[1]} in
    ss)
        options="$look $sockets --ipv4 --ipv6 --family --resolve --processes --extended --options"
        options+=' --info --memory --summary --events --no-header --oneline --query'
        ;;
    netstat)
        options="$look $sockets --inet --inet6 --programs --extend --timers --wide --continuous"
        options+=' --statistics --protocol --verbose'
        ;;
    lsof) options="$look -i -p -c -u -s -n -P -l -t" ;;
    nstat) options="$look --ignore --zeros --noupdate --reset" ;;
    sar) options="$look" ;;
    dump) options='-i -r -w -C -G -W -c -s -n -q -v -e -t -S -x -X -A -Q -F -l -U -p --json --count --number
            --interface --list-interfaces' ;;
    trace)
        options='--flow --ladder --tsg --rtt --flight --timeline --diagram --ascii --absolute'
        options+=' --whole --reverse --svg --xpl --html --json'
        options+=' --stack --net --socket --seconds --cwnd --columns'
        ;;
    top | tcpview) options="$look --delay --batch --iterations" ;;
    get) options="$network --output --quiet" ;;
    serve) options="$network --port --verbose" ;;
    echo) options="$network --port" ;;
    ping)
        options="$network --count --size --interval --wait --deadline --ttl --pmtu --numeric --quiet"
        options+=' --timestamps --json --interface --outstanding'
        ;;
    traceroute) options='--port --queries --wait --first --max-hops --source --interface
            --numeric --json' ;;
    mtr)
        options='--report --wide --json --count --interval --wait --udp --tcp --port --first --max-hops
            --size --numeric --show-ips --report-wide --report-cycles --no-dns --first-ttl --max-ttl
            --psize --address --interface'
        ;;
    pathping) options='--queries --max-hops --period --wait --numeric' ;;
    dig) options='--type --port --json' ;;
    nslookup) options='-type= -port= -timeout= -retry= -vc -norecurse -json' ;;
    explain) options='--list --lang --json' ;;
    demo) options='--ladder --pair --size --packet --pcap --columns --ascii' ;;
    sim) options='--seed --seeds --hash --pcap --verbose' ;;
    bench) options='path' ;;
    run) options='--net --socket --pcap --publish --host-loopback --sysctl --linger --exact' ;;
    sysctl) options='--net --socket --all --load --values --json' ;;
    drill) options='--kernel --allow-shell --ip --wrap --iss --peer-iss --exact --define --option
        --parse --verbose --tap' ;;
    errno) options='--list --markdown' ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$cur")
    elif [ "${words[1]}" = serve ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    elif [ "${words[1]}" = sar ] && [ "$prev" = -n ]; then
        mapfile -t COMPREPLY < <(compgen -W 'DEV EDEV SOCK SOCK6 IP EIP ICMP TCP ETCP UDP SOFT ALL' -- "$cur")
    elif [[ ${words[1]} == ss || ${words[1]} == top ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'state exclude src dst sport dport dev not and or' -- "$cur")
    elif [ "${words[1]}" = run ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    elif [ "${words[1]}" = sysctl ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(weir sysctl -a 2>/dev/null | cut -d' ' -f1)" -- "$cur")
    elif [[ ${words[1]} == drill || ${words[1]} == trace ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [ "${words[1]}" = explain ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(weir explain -l 2>/dev/null | sed -n 's/^  \([^ ]*\).*/\1/p')" -- "$cur")
    elif [ "${words[1]}" = errno ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(weir errno -l 2>/dev/null | cut -d' ' -f1)" -- "$cur")
    fi
}

complete -F _weir weir
