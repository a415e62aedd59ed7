"""Operations of a network: one recorded run (`record`), priced under every counting rule (`price`)."""

from segbench.measure.operations.breakdown import Row, breakdown, modules
from segbench.measure.operations.ledger import Ledger, ModuleCall, Operation
from segbench.measure.operations.recorder import record
from segbench.measure.operations.rules import RULES, Price, price

__all__ = ["RULES", "Ledger", "ModuleCall", "Operation", "Price", "Row", "breakdown", "modules", "price", "record"]
