"""What somebody who can reach Redis, or sit between the machines, can and cannot do."""
