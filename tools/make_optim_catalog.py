#!/usr/bin/env python3
"""Writes python/malmoi/optim/_catalog.py: names, arguments and defaults of the optimizers.

Usage: make_optim_catalog.py OUT (needs torch and pytorch-optimizer; facts only, no code of theirs)
"""
import inspect
import sys

import torch
from pytorch_optimizer.optimizer import OPTIMIZERS
out={}
odd=set()
def enc(v):
    if isinstance(v, torch.dtype): return str(v)
    if isinstance(v,(int,float,str,bool)) or v is None:
        if type(v) not in (int,float,str,bool,type(None)): return int(v)
        return v
    if isinstance(v,(tuple,list)): return tuple(enc(x) for x in v)
    odd.add((type(v).__name__, repr(v))); return None
rows=[]
for name,cls in sorted(OPTIMIZERS.items()):
    sig=inspect.signature(cls.__init__)
    ps=[]; kw=False; first=None
    for k,p in list(sig.parameters.items())[1:]:
        if p.kind==p.VAR_KEYWORD: kw=True; continue
        if p.kind==p.VAR_POSITIONAL: continue
        req = p.default is inspect.Parameter.empty
        ps.append((k,'<required>' if req else enc(p.default), p.kind==p.KEYWORD_ONLY))
    rows.append((name,cls.__name__,ps,kw,cls.__module__.startswith('torch')))
print(odd, file=sys.stderr)
with open(sys.argv[1],'w') as f:
    f.write('"""Names and defaults of the optimizers, as pytorch-optimizer 4.1.0 has them.\n\nWritten by tools/make_optim_catalog.py. A row: registry name, class, arguments (name, default; after\n"*" only by keyword), whether further keywords are taken,
whether it is torch's own. REQUIRED marks arguments without a default,\n"torch.float32" and the like dtypes.\n"""\n\nREQUIRED = "<required>"\n\nOPTIMIZERS = (\n')
    for name,c,ps,kw,native in rows:
        args=[]; star=False
        for k,d,ko in ps:
            if ko and not star: args.append(('*',None)); star=True
            args.append((k,d))
        f.write(f'    ({name!r}, {c!r}, (\n')
        line='        '
        for a in args:
            s=f'({a[0]!r}, {a[1]!r}),'.replace(', inf)',", float('inf'))")
            if len(line)+len(s)>98: f.write(line.rstrip()+'\n'); line='        '
            line+=s+' '
        f.write(line.rstrip()+'\n')
        f.write(f'    ), {kw}, {native}),\n')
    f.write(')\n')
