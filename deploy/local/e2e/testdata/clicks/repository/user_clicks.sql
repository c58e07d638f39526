SELECT user_id, clicked_at, amount
FROM clicks
