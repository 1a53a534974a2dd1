"""The two pictures of the README: the network, and the comparison of a finished `make benchmark`.

python docs/figures.py benchmark-quick
"""

import sys
from pathlib import Path

import pandas as pd

import tnlearn as tnl
from tnlearn.lab.study import read_studies
from tnlearn.look import write_figure
from tnlearn.studies.comparison import overview

here, folder = Path(__file__).parent / "figures", Path(sys.argv[1])
here.mkdir(exist_ok=True)
free = tnl.rswn(20).trainable("D", channels=4, init=tnl.init.normal(0.1))
free.head(classes=4, hidden=(16,)).draw(here / "network.png")
table = pd.read_csv(folder / "table.csv.gz", low_memory=False)
((_, profile),) = read_studies("comparison", folder / "config.toml")
write_figure(overview(table[table["data"] == "extended"], profile), here / "comparison.png")
