"""BG/NBD: customers may drop out after every repeat purchase (Fader, Hardie and Lee 2005)."""

from typing import Final

from kundenwert.families.dropout import GeometricDropout
from kundenwert.names import FamilyName

BGNBD: Final = GeometricDropout(FamilyName.BGNBD, first_kill=0)
