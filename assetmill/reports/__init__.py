"""What people read afterwards: costs, galleries, comparisons. Reports read the books and change nothing."""
