"""DIFFERENTIATE: from a posterior to money per customer."""
