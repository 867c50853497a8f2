" Vim syntax of packetdrill scripts, with weir's directives (docs/drill.md).
if exists('b:current_syntax')
  finish
endif

syn match   pktComment   "//.*$\|#.*$"
syn region  pktComment   start="/\*" end="\*/"
syn match   pktDirective "//:.*$"
syn match   pktOption    "^--\S\+"
syn match   pktTime      "^\s*[+*]\?[0-9.]*\(\~+\?[0-9.]\+\|\.\.\.+\?[0-9.]\+\)\?\ze\s"
syn match   pktArrive    "\s<\s"
syn match   pktLeave     "\s>\s"
syn match   pktRange     "\<[0-9]\+:[0-9]\+([0-9]\+)"
syn keyword pktField     ack win urg udp icmp mtu
syn keyword pktTcpOption mss sackOK sack TS val ecr nop eol wscale FO FOEXP AccECN md5 unknown
syn match   pktMark      "\[\(ect[01]\|ce\|ecn\|noecn\|tos [^]]*\|ttl [^]]*\|flowlabel [^]]*\)\]"
syn match   pktError     "\<E[A-Z]\{3,}\>"
syn match   pktSymbol    "\<[A-Z][A-Z0-9_]\{3,}\>"
syn match   pktCall      "\<[a-z_0-9]\+\ze("
syn region  pktString    start=+"+ end=+"+
syn region  pktShell     start="`" end="`"
syn region  pktCode      start="%{" end="}%"

hi def link pktComment   Comment
hi def link pktDirective SpecialComment
hi def link pktOption    PreProc
hi def link pktTime      Number
hi def link pktArrive    Operator
hi def link pktLeave     Operator
hi def link pktRange     Number
hi def link pktField     Keyword
hi def link pktTcpOption Type
hi def link pktMark      Type
hi def link pktError     Error
hi def link pktSymbol    Constant
hi def link pktCall      Function
hi def link pktString    String
hi def link pktShell     PreProc
hi def link pktCode      Special

let b:current_syntax = 'packetdrill'
