" Scripts of packetdrill and `weir drill`.
autocmd BufNewFile,BufRead *.pkt setfiletype packetdrill
