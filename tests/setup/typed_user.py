"""A user's script that a strict type checker passes; it is read by `test_types.py` and never run."""

from pathlib import Path

import numpy as np
import torch

import lrlib
from lrlib import Adam, Plan, Record, Rule, SGD, attach, cosine, fit, linear, plot, rules, sweep, tasks, warmup

plan: Plan = 0.5 * (warmup(4) >> cosine(16)) * linear(20)
value: float = plan(3)
values: np.ndarray = plan(np.arange(20))
length: float = plan.repeat(2).cut(30).resize(40).length

task = tasks.digits(width=16, depth=1, steps=20)
model = task.model()
optimizer = Adam(model.parameters(), 1e-3, betas=(0.9, 0.99), foreach=False)
other = Adam([{"params": list(model.parameters()), "lr": 0.1}], beta1=0.8)
torchs = SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
name: str = optimizer.rule.name
handle = attach(optimizer, plan, beta1=lambda t: 1.0)
applied: np.ndarray = handle.applied
handle.detach()

x = torch.ones(2)
new: torch.Tensor = rules.sgd(x, x, {}, 1, lr=0.1)[0]
sgd: Rule = rules.get("sgd")

record: Record = fit(task, "sgd", lr=0.1, plan=plan, on_event=lambda event: event.loss < 9)
record = fit(task, lambda parameters: torch.optim.SGD(parameters, lr=0.1), plan=lambda t: 1 / (1 + t))
swept: Record = sweep(task, sgd, lr=[0.1, 0.2], seeds=2, snapshots=[10, 20])
means: np.ndarray = swept.summary("test_metric")["mean"]
again: Record = Record.load(swept.average().save(Path("record.npz")))
plot.losses(swept, names=("train_loss", "valid_loss")).savefig("losses.png")
plan.plot().savefig("plan.png")

for event in lrlib.steps(task, lr=0.1):
    rate: float = event.lr[0]
number: float = lrlib.sharpness(model, task.loss, x) + lrlib.largest_stable_rate(2.0)
products: int = lrlib.sharpness(model, task.loss, x, details=True).products
suggested: float = lrlib.find(task, seeds=2).suggest()
found: np.ndarray = lrlib.find(task).record.loss
