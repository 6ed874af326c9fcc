"""MBG/NBD: customers may drop out after every purchase, the first included (Batislam et al. 2007)."""

from typing import Final

from kundenwert.families.dropout import GeometricDropout
from kundenwert.names import FamilyName

MBGNBD: Final = GeometricDropout(FamilyName.MBGNBD, first_kill=1)
