-- The newest jobs between two positions with one facet.
-- Row values in the order of the primary key of `facets`: this index leads.
SELECT {columns}
FROM facets
JOIN jobs ON jobs.id = facets.id
WHERE (facets.facet, facets.created_at, facets.id) >= (:{value}, :first_created_at, :first_id)
  AND (facets.facet, facets.created_at, facets.id) < (:{value}, :end_created_at, :end_id)
  {further_conditions}
ORDER BY facets.facet DESC, facets.created_at DESC, facets.id DESC
LIMIT :walk_limit
